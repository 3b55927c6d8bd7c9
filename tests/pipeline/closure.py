"""Which modules a stage really needs: what it imports, and what it starts as a child process, followed to the end."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHILD = re.compile(r"stages\.weights\.\w+")


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def needs(file: Path) -> set[Path]:
    """Files of the project that one file imports by name or names as a child module in a string."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not node.value.count("\n"):
            modules |= set(CHILD.findall(node.value))
    found = {_file(m) for m in modules if m.startswith("stages.")} - {None}
    return {f for f in found if f.name != "__init__.py"}


def closure(stage: str) -> set[str]:
    """Paths, relative to the project, of all modules of common and weights that a stage needs, and of its own package."""
    todo, seen = list((ROOT / "stages" / stage).glob("*.py")), set()
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += needs(file)
    paths = {str(f.relative_to(ROOT)) for f in seen}
    return (
        {p for p in paths if p.startswith(("stages/common/", "stages/weights/"))}
        | {f"stages/{stage}"}
        | {p for p in paths if p.startswith("stages/") and p.split("/")[1] not in (stage, "common", "weights")}
    )


if __name__ == "__main__":
    import sys

    print(*sorted(closure(sys.argv[1])), sep="\n")
