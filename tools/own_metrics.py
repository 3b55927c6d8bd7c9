"""Which metrics of an experiment are its own. One that still runs, or that ended before evaluate, shows those of the commit that it began from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import Any


def foreign(lock: Mapping, params: Mapping) -> frozenset[str]:
    """The outs in a dvc.lock that were not made with these `params` (params.yaml, nested), or not from what the stages before have made by this lock."""
    stages = lock.get("stages") or {}
    made = {out["path"]: (name, _hash(out)) for name, stage in stages.items() for out in stage.get("outs") or []}

    @cache
    def own(name: str) -> bool:
        asked = (stages[name].get("params") or {}).get("params.yaml") or {}
        return all(_at(params, key) == value for key, value in asked.items()) and all(fits(dep) for dep in stages[name].get("deps") or [])

    def fits(dep: Mapping) -> bool:
        path = PurePosixPath(dep["path"])
        for place in map(str, (path, *path.parents)):
            if place in made:
                maker, content = made[place]
                return own(maker) and (place != dep["path"] or content == _hash(dep))
        return True  # nothing that a stage makes

    return frozenset(path for path, (name, _) in made.items() if not own(name))


def _hash(entry: Mapping) -> Any:
    return entry.get(entry.get("hash", "md5"))


def _at(params: Mapping, key: str) -> Any:
    found: Any = params
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
