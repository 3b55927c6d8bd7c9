"""vLLM on loopback for as long as a block of code needs it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stages.common import children, environments
from stages.common.errors import UserError
from stages.common.files import read_json

READY_SECONDS = 600
MAX_MODEL_LEN = 4096  # tokens; longer contexts cost memory for every request
GPU_MEMORY = 0.9  # of a GPU, for all servers on it; vLLM's own default for one is 0.92
# vLLM accepts these ranks only (vllm/config/lora.py, 0.32); the default, 16, refuses a larger adapter.
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def reserved_port() -> Iterator[int]:
    """A TCP port on 127.0.0.1 that is given to nobody else while the block lasts, however many servers start at once.

    The socket that holds it never listens. A server that sets SO_REUSEADDR, as vLLM does, may listen there beside it (socket(7)); to whoever
    asks for any port, and to outgoing connections, the kernel does not give one that is bound.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def positions(model: Path) -> int:
    """How many tokens a request may have, answer included: MAX_MODEL_LEN, or as many as the model knows."""
    return min(MAX_MODEL_LEN, read_json(model / "config.json").get("max_position_embeddings") or MAX_MODEL_LEN)


def command(
    model: Path, name: str, port: int, adapters: dict[str, Path], template: Path, gpu: bool, seed: int, proof: str | None = None, share: float = 1
) -> list[str]:
    """vLLM's OpenAI server for a model and adapters on top of it; it knows the model by `name`, and by `proof` where there is one. `share` as in `serve`.

    `load-format safetensors`: by default vLLM opens a pickle where there is nothing else. `generation-config vllm`: the model's own generation_config must not
    change the sampling that we ask for. The seed is the server's: a request's own seed ends vLLM's CPU build ("CPU Generator does not use offset", 0.32).
    """
    arguments = [
        environments.python("serve"), "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port),
        "--model", str(model), "--served-model-name", *filter(None, [name, proof]), "--dtype", "bfloat16", "--seed", str(seed), "--max-model-len", str(positions(model)),
        "--generation-config", "vllm", "--load-format", "safetensors", "--chat-template", str(template), "--disable-uvicorn-access-log",
    ]  # fmt: skip
    if not gpu:
        # Compiling takes a minute and gains nothing on a CPU (measured: 295 against 296 tokens/s).
        arguments += ["--enforce-eager"]
    elif share < 1:
        arguments += ["--gpu-memory-utilization", f"{GPU_MEMORY * share:g}"]
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


class NotReady(UserError):
    """A server that did not come up; its message has the log's end."""


@dataclass(frozen=True)
class Server:
    """A vLLM that has been started: its address (http://127.0.0.1:PORT), and the names of the models that it serves."""

    address: str
    names: Sequence[str]
    process: subprocess.Popen
    log: Path
    key: str | None
    proof: str | None
    """A name of its own for its first model, where it has no key."""
    started: float
    """time.monotonic() then."""

    @property
    def url(self) -> str:
        """The base URL of OpenAI's clients."""
        return f"{self.address}/v1"

    def ready(self) -> str:
        """Wait until every model has answered a real completion, and return `url`. Raises NotReady where the server does not come up."""
        first, *adapters = self.names
        for name in [self.proof or first, *adapters]:
            while not _answers(self.url, name, self.key):
                if self.ended():
                    raise NotReady(f"vLLM ended with status {self.process.returncode} before it was ready. {self.last_words()}")
                if time.monotonic() - self.started > READY_SECONDS:
                    raise NotReady(f"vLLM was not ready after {READY_SECONDS} s. {self.last_words()}")
                time.sleep(0.5)
        print(f"vLLM ready with {', '.join(self.names)} after {time.monotonic() - self.started:.0f} s", flush=True)
        return self.url

    def ended(self) -> bool:
        """Whether its process is gone."""
        return self.process.poll() is not None

    def last_words(self) -> str:
        """The end of its log, for an error message."""
        return f"The end of {self.log}:\n{children.last_lines(self.log)}"


@contextmanager
def serve(model: Path, name: str, template: Path, seed: int, adapters: dict[str, Path] | None = None, cache: int = 2, share: float = 1) -> Iterator[str]:
    """Yield the base URL (http://127.0.0.1:PORT/v1) of a server that has answered a real completion for every model it serves.

    `cache` is GiB of keys and values on a CPU; a GPU gives what it has, or `share` of it. Raises UserError with the log's end where it does not come up.
    """
    with starting(model, name, template, seed, adapters, cache, share=share) as server:
        yield server.ready()


@contextmanager
def starting(
    model: Path, name: str, template: Path, seed: int, adapters: dict[str, Path] | None = None, cache: int = 2, key: str | None = None, share: float = 1
) -> Iterator[Server]:
    """Start a server and yield it before it is ready, so that several come up together. `key` is what it asks of clients, None of nobody."""
    adapters, gpu = adapters or {}, environments.has_gpu()
    # What only this server knows: another run's, of another model, would answer to the others' names as well.
    proof = None if key else f"this-server-{secrets.token_hex(8)}"
    # Not as an argument: any user of the machine can read those.
    environment = environments.silent(**({} if gpu else cpu_settings(cache)), **({"VLLM_API_KEY": key} if key else {}))
    with (
        reserved_port() as port,
        open(log := environments.state("logs") / f"vllm-{port}.log", "wb") as output,
        children.child(command(model, name, port, adapters, template, gpu, seed, proof, share), environment, output) as process,
    ):
        print(f"vLLM starts with {', '.join([name, *adapters])} ...", flush=True)
        server = Server(f"http://127.0.0.1:{port}", [name, *adapters], process, log, key, proof, time.monotonic())
        try:
            yield server
        except UserError as error:
            if server.ended() and not isinstance(error, NotReady):
                raise UserError(f"{error}; vLLM ended with status {process.returncode}. {server.last_words()}") from None
            raise
        except (KeyboardInterrupt, SystemExit):  # somebody did not want to wait: nobody looks for a reason
            log.unlink()
            raise
    log.unlink()  # kept only where the block failed


def post(url: str, body: dict, timeout: float = 60, key: str | None = None) -> dict:
    """One JSON request to the server. Raises OSError where it does not answer."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout) as response:
        return json.load(response)


def _answers(url: str, name: str, key: str | None) -> bool:
    """/health says that the process lives; only a completion says that the model can be asked."""
    try:
        post(f"{url}/completions", {"model": name, "prompt": "Good morning", "max_tokens": 1}, key=key)
    except (OSError, ValueError):
        return False
    return True


def differs(urls: Mapping[str, str], key: str | None = None) -> bool:
    """Whether two models, each by its name and the URL of its server, give a text different log-probabilities.

    They may not: vLLM can serve the base under the adapter's name (vllm #55193). Raises UserError where a server does not say.
    """
    body = {"prompt": "You come from the station, and in some haste.", "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
    try:
        told = [post(f"{url}/completions", {"model": model, **body}, key=key)["choices"][0]["prompt_logprobs"] for model, url in urls.items()]
    except (OSError, ValueError) as error:
        raise UserError(f"vLLM was asked for the log-probabilities of a line by {' and by '.join(urls)}, and gave none: {error}") from None
    sums = [sum(entry["logprob"] for place in one if place for entry in place.values()) for one in told]
    return abs(sums[0] - sums[1]) > 1e-3
