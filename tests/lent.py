"""The training environment has no test tools: it is lent ours, and nothing else of ours, for what it finds installed it also imports (boto3, by accelerate)."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder

TOOLS = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "ruamel", "jsonschema_rs")


def lend(packages: str) -> None:
    """From now on those of TOOLS that the running interpreter lacks come from the folder `packages`, the site-packages of another one."""

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            return PathFinder.find_spec(name, [packages]) if name in TOOLS else None

    sys.meta_path.append(Finder)
