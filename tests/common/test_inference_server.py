"""How vLLM is called. No server starts here; tests/e2e starts the real one."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import ExitStack, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stages.common import inference_server
from stages.common.errors import UserError
from tests.common.stub_endpoint import Endpoint, Reply


@pytest.fixture(autouse=True)
def serve_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAMATIS_SERVE_PYTHON", sys.executable)


def adapter(folder: Path, rank: int, **more: object) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank, "lora_alpha": 2 * rank, **more}))
    (folder / "adapter_model.safetensors").touch()
    return folder


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that knows 2048 positions, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "models" / "base"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"max_position_embeddings": 2048}')
    return folder


def command(adapters: dict[str, Path] | None = None, gpu: bool = False) -> list[str]:
    return inference_server.command(Path("models/base"), "base", 8123, adapters or {}, Path("chat_template.jinja"), gpu, seed=11, proof="this-server-0a")


def value(arguments: list[str], flag: str) -> str:
    assert arguments.count(flag) == 1
    return arguments[arguments.index(flag) + 1]


@pytest.mark.parametrize("gpu", [False, True])
def test_the_server_listens_on_loopback_only(gpu: bool) -> None:
    assert value(command(gpu=gpu), "--host") == "127.0.0.1"
    assert value(command(gpu=gpu), "--port") == "8123"


def test_the_server_runs_in_its_own_environment_with_the_template_and_length_it_was_given() -> None:
    arguments = command()
    assert arguments[:3] == [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    expected = {"--model": "models/base", "--served-model-name": "base", "--chat-template": "chat_template.jinja", "--max-model-len": "2048"}
    assert {flag: value(arguments, flag) for flag in expected} == expected


@pytest.mark.parametrize(("known", "served"), [("8192", 4096), ("4096", 4096), ("2048", 2048), ("null", 4096)])
def test_a_request_is_no_longer_than_the_model_knows_positions(base: Path, known: str, served: int) -> None:
    (base / "config.json").write_text(f'{{"max_position_embeddings": {known}}}')
    assert value(command(), "--max-model-len") == str(served)


def test_the_sampling_seed_is_the_servers_own() -> None:
    assert value(command(), "--seed") == "11"


def test_the_models_own_generation_config_does_not_change_our_sampling() -> None:
    assert value(command(), "--generation-config") == "vllm"


def test_only_a_cpu_is_served_without_compiling() -> None:
    assert "--enforce-eager" in command(gpu=False)
    assert "--enforce-eager" not in command(gpu=True)


def test_two_servers_of_one_gpu_take_half_of_it_each() -> None:
    given = (Path("models/base"), "base", 8123, {}, Path("chat_template.jinja"))
    assert value(inference_server.command(*given, gpu=True, seed=11, share=0.5), "--gpu-memory-utilization") == f"{inference_server.GPU_MEMORY / 2:g}"
    for gpu, share in ((True, 1), (False, 0.5)):
        assert "--gpu-memory-utilization" not in inference_server.command(*given, gpu=gpu, seed=11, share=share)


def test_a_server_without_adapters_has_no_adapter_flag() -> None:
    assert [argument for argument in command() if "lora" in argument] == []


@pytest.mark.parametrize(("rank", "allowed"), [(1, 1), (2, 8), (8, 8), (9, 16), (16, 16), (20, 32), (32, 32), (33, 64), (64, 64), (200, 256), (512, 512)])
def test_a_rank_is_rounded_up_to_the_next_that_vllm_accepts(tmp_path: Path, rank: int, allowed: int) -> None:
    folder = adapter(tmp_path / "adapter", rank)
    arguments = command({"tuned": folder})
    assert "--enable-lora" in arguments
    assert value(arguments, "--max-lora-rank") == str(allowed)
    assert arguments[arguments.index("--lora-modules") + 1 :] == [f"tuned={folder}"]


def test_the_largest_rank_of_several_adapters_counts_and_all_of_them_are_served(tmp_path: Path) -> None:
    adapters = {name: adapter(tmp_path / name, rank) for name, rank in (("small", 4), ("large", 24), ("middle", 8))}
    arguments = command(adapters)
    assert value(arguments, "--max-lora-rank") == "32"
    assert value(arguments, "--max-loras") == "3"
    assert arguments[arguments.index("--lora-modules") + 1 :] == [f"{name}={folder}" for name, folder in adapters.items()]


def test_a_layer_with_a_rank_of_its_own_counts_too(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", 8, rank_pattern={"q_proj": 100, "v_proj": 4})
    assert value(command({"tuned": folder}), "--max-lora-rank") == "128"


def test_a_rank_above_what_vllm_serves_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="^vLLM serves adapters up to rank 512, found 513$"):
        command({"tuned": adapter(tmp_path / "adapter", 513)})


def test_a_free_port_can_be_bound_and_is_none_that_somebody_listens_on() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ports = {inference_server.free_port() for _ in range(50)}
        assert listener.getsockname()[1] not in ports
    assert len(ports) > 1 and min(ports) >= 1024
    for port in sorted(ports)[:5]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_reserved_port_is_given_to_nobody_else_until_a_server_listens_on_it_and_then_it_is_free_again() -> None:
    with ExitStack() as stack:
        ports = [stack.enter_context(inference_server.reserved_port()) for _ in range(200)]
        others = [stack.enter_context(socket.socket()) for _ in range(2000)]
        for number, other in enumerate(others):
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, number % 2)
            other.bind(("127.0.0.1", 0))
        assert len({*ports, *(other.getsockname()[1] for other in others)}) == 2200
        server = stack.enter_context(socket.socket())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as vLLM does
        server.bind(("127.0.0.1", ports[0]))
        server.listen()
        stack.enter_context(socket.create_connection(("127.0.0.1", ports[0])))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", ports[1]))


def test_another_server_on_the_port_that_knows_the_same_model_is_never_taken_for_ours(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(body: dict, count: int) -> Reply:  # as vLLM: a model that it does not know is 404
        return Reply({"choices": [{"text": "."}]}) if body["model"] in ("base", "adapter") else Reply({"error": "no such model"}, status=404)

    late = tmp_path / "late"  # in vLLM's place: it ends when it finds the port taken
    late.write_text("#!/bin/sh\nsleep 2\necho Address already in use\nexit 1\n")
    late.chmod(0o755)
    monkeypatch.setenv("DRAMATIS_SERVE_PYTHON", str(late))
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    with Endpoint(answer) as foreign:
        monkeypatch.setattr(inference_server, "reserved_port", lambda: nullcontext(urlsplit(foreign.url).port))
        with pytest.raises(UserError, match="(?s)vLLM ended with status 1 before it was ready.*Address already in use"):
            with inference_server.serve(base, "base", Path("chat_template.jinja"), 11):
                pass
        assert {sent.body["model"] for sent in foreign.requests} & {"base", "adapter"} == set() != foreign.requests


@pytest.mark.parametrize(("ended_by", "kept"), [(KeyboardInterrupt(), 0), (SystemExit(143), 0), (UserError("it failed"), 1), (None, 0)])
def test_the_log_stays_only_where_something_failed(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended_by: BaseException | None, kept: int
) -> None:
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    with pytest.raises(type(ended_by)) if ended_by else nullcontext(), inference_server.starting(base, "base", Path("chat_template.jinja"), 11):
        if ended_by:
            raise ended_by
    assert len(list((tmp_path / "state/logs").glob("vllm-*.log"))) == kept


def test_every_core_that_this_process_may_use_is_bound_on_a_cpu() -> None:
    cores = {int(core) for core in inference_server.cpu_settings(2)["VLLM_CPU_OMP_THREADS_BIND"].split(",")}
    assert cores == os.sched_getaffinity(0)


@pytest.mark.parametrize(
    "reply", [Reply({}, hang_up=True), Reply(b"<html>"), Reply({"error": "no such adapter"}, status=404)], ids=["hung up", "a page", "404"]
)
def test_a_server_that_does_not_tell_its_log_probabilities_is_told_of_in_one_sentence(reply: Reply) -> None:
    with (
        Endpoint(lambda body, count: reply) as stub,
        pytest.raises(UserError, match="asked for the log-probabilities of a line by base and by adapter, and gave none"),
    ):
        inference_server.differs({"base": stub.url, "adapter": stub.url})
