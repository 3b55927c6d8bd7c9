"""Which servers a machine gets. No server starts here: tests/e2e has both of a CPU answer for real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.answer import speakers
from stages.common.errors import UserError


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """What would have been started, in order; two models say different things."""
    found: list[dict[str, Any]] = []

    @contextmanager
    def starting(model: Path, name: str, template: Path, seed: int, adapters: dict | None = None, cache: int = 2) -> Iterator[SimpleNamespace]:
        found.append({"model": model, "name": name, "template": template, "seed": seed, "adapters": adapters, "cache": cache})
        yield SimpleNamespace(ready=lambda: f"http://127.0.0.1:{len(found)}/{name}")

    @contextmanager
    def serve(*given: Any) -> Iterator[str]:
        with starting(*given) as server:
            yield server.ready()

    def fold(base: Path, adapter: Path, scratch: Path) -> Path:
        found.append({"folded": (base, adapter)})
        return tmp_path / "folded"

    monkeypatch.setattr(speakers.inference_server, "starting", starting)
    monkeypatch.setattr(speakers.inference_server, "serve", serve)
    monkeypatch.setattr(speakers.inference_server, "differs", lambda urls: True)
    monkeypatch.setattr(speakers, "fold", fold)
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    return found


BASE, ADAPTER = Path("models/base"), Path("models/adapter")


def test_a_gpu_has_one_server_with_the_adapter_on_top_of_the_base(started: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers.environments, "has_gpu", lambda: True)
    with speakers.serving(BASE, ADAPTER, 11) as urls:
        assert urls["base"] == urls["adapter"]
    (one,) = started
    assert (one["model"], one["name"], one["adapters"], one["seed"]) == (BASE, "base", {"adapter": ADAPTER.resolve()}, 11)


def test_a_cpu_has_two_the_adapter_folded_into_the_base_while_the_first_one_starts(started: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers.environments, "has_gpu", lambda: False)
    with speakers.serving(BASE, ADAPTER, 11) as urls:
        assert {name: url.rpartition("/")[2] for name, url in urls.items()} == {"base": "base", "adapter": "adapter"}
    first, folding, second = started
    assert folding == {"folded": (BASE, ADAPTER)} and second["model"].name == "folded"
    assert not first["adapters"] and not second["adapters"] and {one["template"] for one in (first, second)} == {ADAPTER / "chat_template.jinja"}


def test_two_that_say_the_same_are_refused(started: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speakers.inference_server, "differs", lambda urls: False)
    for gpu in (True, False):
        monkeypatch.setattr(speakers.environments, "has_gpu", lambda gpu=gpu: gpu)
        with pytest.raises(UserError, match="answers as the base under the adapter's name"), speakers.serving(BASE, ADAPTER, 11):
            pass
