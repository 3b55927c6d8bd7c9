"""The experiments of this repository, as `dvc exp show` knows them: parameters, metrics and which test chats they were measured on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from tools.commands import said
from tools.own_metrics import foreign

TEST = "data/splits/test.jsonl"


@dataclass(frozen=True)
class Experiment:
    """One experiment that has metrics, or the commit that experiments began from."""

    name: str
    params: Mapping[str, Any]
    """params.yaml by dotted names, as `dvc exp run -S` takes them."""
    metrics: Mapping[str, Mapping[str, float]]
    """By file (metrics/NAME.json), then by dotted name."""
    test: str | None
    """The hash of the test chats; None where it is not on record."""
    foreign: frozenset[str] = frozenset()
    """The files of `metrics` that are not its own (tools/own_metrics.py)."""


def read(commit: str) -> list[Experiment]:
    """A commit and the experiments that began from it, those that have metrics. Raises UserError where DVC cannot tell them."""
    return list(parsed(json.loads(said("dvc", "exp", "show", "--json", f"--rev={commit}")), locked))


def locked(revision: str) -> Mapping:
    """The dvc.lock of a revision."""
    return YAML(typ="safe", pure=True).load(said("git", "show", f"{revision}:./dvc.lock")) or {}


def parsed(shown: list[dict], lock: Callable[[str], Mapping]) -> Iterator[Experiment]:
    """From the JSON of `dvc exp show`, and the dvc.lock of each revision. The workspace is left out: what is in it is an experiment's, a commit's, or not finished."""
    for commit in shown:
        if commit["rev"] != "workspace":
            for one in [commit, *(group["revs"][0] for group in commit.get("experiments") or [] if group.get("revs"))]:
                data = one.get("data") or {}
                metrics = {path: dict(_numbers(file.get("data"))) for path, file in (data.get("metrics") or {}).items()}
                if any(metrics.values()):
                    params = (data.get("params") or {}).get("params.yaml", {}).get("data") or {}
                    test = ((data.get("outs") or {}).get(TEST) or {}).get("hash")
                    yield Experiment(one.get("name") or one["rev"][:7], dict(_leaves(params)), metrics, test, foreign(lock(one["rev"]), params))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _numbers(value: Any) -> Iterator[tuple[str, float]]:
    return ((name, number) for name, number in _leaves(value) if isinstance(number, int | float) and not isinstance(number, bool))
