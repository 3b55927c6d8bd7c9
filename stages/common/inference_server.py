"""vLLM on loopback for as long as a block of code needs it."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stages.common import children, environments
from stages.common.errors import UserError
from stages.common.files import read_json

READY_SECONDS = 600
MAX_MODEL_LEN = 4096  # tokens; longer contexts cost memory for every request
# vLLM accepts these ranks only (vllm/config/lora.py, 0.32); the default, 16, refuses a larger adapter.
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def positions(model: Path) -> int:
    """How many tokens a request may have, answer included: MAX_MODEL_LEN, or as many as the model knows."""
    return min(MAX_MODEL_LEN, read_json(model / "config.json").get("max_position_embeddings") or MAX_MODEL_LEN)


def command(model: Path, name: str, port: int, adapters: dict[str, Path], template: Path, gpu: bool, seed: int) -> list[str]:
    """vLLM's OpenAI server for a model and adapters on top of it.

    `load-format safetensors`: by default vLLM opens a pickle where there is nothing else. `generation-config vllm`: the model's own generation_config must not change the sampling that we ask for. The seed is the
    server's: a request's own seed ends vLLM's CPU build ("CPU Generator does not use offset", 0.32).
    """
    arguments = [
        environments.python("serve"), "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port),
        "--model", str(model), "--served-model-name", name, "--dtype", "bfloat16", "--seed", str(seed), "--max-model-len", str(positions(model)),
        "--generation-config", "vllm", "--load-format", "safetensors", "--chat-template", str(template), "--disable-uvicorn-access-log",
    ]  # fmt: skip
    if not gpu:
        # Compiling takes a minute and gains nothing on a CPU (measured: 295 against 296 tokens/s).
        arguments += ["--enforce-eager"]
    for folder in adapters.values():
        if not (folder / "adapter_model.safetensors").is_file():
            raise UserError(f"{folder}: no adapter_model.safetensors in it; a pickle (adapter_model.bin) is not opened, it could run code")
    if adapters:
        configs = [read_json(folder / "adapter_config.json") for folder in adapters.values()]
        rank = max(rank for config in configs for rank in (config["r"], *config.get("rank_pattern", {}).values()))  # some layers may have their own
        allowed = next((r for r in LORA_RANKS if r >= rank), None)
        if allowed is None:
            raise UserError(f"vLLM serves adapters up to rank {LORA_RANKS[-1]}, found {rank}")
        arguments += ["--enable-lora", "--max-lora-rank", str(allowed), "--max-loras", str(len(adapters)), "--lora-modules"]
        arguments += [f"{adapter}={folder}" for adapter, folder in adapters.items()]
    return arguments


def cpu_settings(cache: int) -> dict[str, str]:
    """vLLM's CPU build leaves one core idle unless told (measured: 445 against 295 tokens/s on two cores); `cache` as in `serve`."""
    cores = sorted(os.sched_getaffinity(0))
    return {"VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)), "VLLM_CPU_KVCACHE_SPACE": str(cache)}


@contextmanager
def serve(model: Path, name: str, template: Path, seed: int, adapters: dict[str, Path] | None = None, cache: int = 2) -> Iterator[str]:
    """Yield the base URL (http://127.0.0.1:PORT/v1) of a server that has answered a real completion for every model it serves.

    `cache` is GiB of keys and values on a CPU; a GPU gives what it has. Raises UserError with the log's end where it does not come up.
    """
    with starting(model, name, template, seed, adapters, cache) as ready:
        yield ready()


@contextmanager
def starting(model: Path, name: str, template: Path, seed: int, adapters: dict[str, Path] | None = None, cache: int = 2) -> Iterator[Callable[[], str]]:
    """Start a server and yield what waits until it is ready, and returns what `serve` yields: so several come up together."""
    adapters, gpu, port = adapters or {}, environments.has_gpu(), free_port()
    log = environments.state("logs") / f"vllm-{port}.log"
    environment = environments.silent(**({} if gpu else cpu_settings(cache)))
    url = f"http://127.0.0.1:{port}/v1"
    arguments = command(model, name, port, adapters, template, gpu, seed)
    with open(log, "wb") as output, children.child(arguments, environment, output) as process:
        print(f"vLLM starts with {', '.join([name, *adapters])} ...", flush=True)
        started, is_ready = time.monotonic(), False

        def ready() -> str:
            nonlocal is_ready
            for served in [name, *adapters]:
                while not _answers(url, served):
                    if process.poll() is not None:
                        raise UserError(f"vLLM ended with status {process.returncode} before it was ready. The end of {log}:\n{children.last_lines(log)}")
                    if time.monotonic() - started > READY_SECONDS:
                        raise UserError(f"vLLM was not ready after {READY_SECONDS} s. The end of {log}:\n{children.last_lines(log)}")
                    time.sleep(0.5)
            print(f"vLLM ready with {', '.join([name, *adapters])} after {time.monotonic() - started:.0f} s", flush=True)
            is_ready = True
            return url

        try:
            yield ready
        except UserError as error:
            if is_ready and process.poll() is not None:
                raise UserError(f"{error}; vLLM ended with status {process.returncode}. The end of {log}:\n{children.last_lines(log)}") from None
            raise
    log.unlink()  # kept only where the block raised


def post(url: str, body: dict, timeout: float = 60) -> dict:
    """One JSON request to the server. Raises OSError where it does not answer."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout) as response:
        return json.load(response)


def _answers(url: str, name: str) -> bool:
    """/health says that the process lives; only a completion says that the model can be asked."""
    try:
        post(f"{url}/completions", {"model": name, "prompt": "Good morning", "max_tokens": 1})
    except (OSError, ValueError):
        return False
    return True


def differs(urls: Mapping[str, str]) -> bool:
    """Whether two models, each by its name and the URL of its server, give a text different log-probabilities.

    They may not: vLLM can serve the base under the adapter's name (vllm #55193). Raises UserError where a server does not say.
    """
    body = {"prompt": "You come from the station, and in some haste.", "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
    try:
        told = [post(f"{url}/completions", {"model": model, **body})["choices"][0]["prompt_logprobs"] for model, url in urls.items()]
    except (OSError, ValueError) as error:
        raise UserError(f"vLLM was asked for the log-probabilities of a line by {' and by '.join(urls)}, and gave none: {error}") from None
    sums = [sum(entry["logprob"] for place in one if place for entry in place.values()) for one in told]
    return abs(sums[0] - sums[1]) > 1e-3
