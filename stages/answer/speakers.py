"""The servers of this run: base and adapter as two models that can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.common import children, environments, inference_server
from stages.common.errors import UserError
from stages.common.files import write_json

CACHE = 1  # GiB for each server: 45,000 tokens of SmolLM2-135M, where 48 conversations have 30,000


@contextmanager
def serving(base: Path, adapter: Path, seed: int) -> Iterator[dict[str, str]]:
    """Yield the URL of the server that knows "base", and of the one that knows "adapter". Raises UserError where both say the same.

    On a GPU it is one server, with the adapter on top of the base. vLLM's LoRA for CPUs (vllm/lora/ops/torch_ops/lora_ops.py, 0.32) copies the
    adapter's weights for every token: 43 tokens a second instead of 247, and half the base's beside it. There the adapter is folded into
    scratch weights, and each model has a server of its own.
    """
    template = adapter / "chat_template.jinja"
    if environments.has_gpu():
        with inference_server.serve(base, "base", template, seed, {"adapter": adapter.resolve()}) as url:
            yield apart({"base": url, "adapter": url})
        return
    with environments.scratch("folded") as scratch, inference_server.starting(base, "base", template, seed, cache=CACHE) as of_base:
        folded = fold(base, adapter, scratch)
        with inference_server.starting(folded, "adapter", template, seed, cache=CACHE) as of_adapter:
            yield apart({"base": of_base.ready(), "adapter": of_adapter.ready()})


def fold(base: Path, adapter: Path, scratch: Path) -> Path:
    """The folder in `scratch` with base and adapter as one model."""
    job, folded = scratch / "job.json", scratch / "model"
    write_json(job, {"base": str(base), "adapter": str(adapter), "merged": str(folded)})
    children.run([environments.python("train"), "-m", "stages.weights.merge", str(job)], environments.silent(), environments.state("logs") / "fold.log")
    return folded


def apart(urls: dict[str, str]) -> dict[str, str]:
    """The URLs, for models that differ."""
    if not inference_server.differs(urls):
        raise UserError("vLLM answers as the base under the adapter's name: its log-probabilities are the same")
    return urls
