"""Which stages run again when a parameter changes, derived from dvc.yaml; `python -m tests.pipeline.reruns` prints the README's table."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]


def stages() -> dict[str, dict]:
    return YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def downstream(pipeline: dict[str, dict]) -> dict[str, set[str]]:
    """For each stage the stages that read, directly or not, what it writes."""
    outs = {stage: [out if isinstance(out, str) else next(iter(out)) for out in entry["outs"]] for stage, entry in pipeline.items()}

    def reads(stage: str, other: str) -> bool:
        return any(dep == out or dep.startswith(f"{out}/") for dep in pipeline[stage]["deps"] for out in outs[other])

    after = {stage: {other for other in pipeline if reads(other, stage)} for stage in pipeline}
    for _ in pipeline:
        after = {stage: found | {far for near in found for far in after[near]} for stage, found in after.items()}
    return after


def reruns() -> dict[str, list[str]]:
    """For each parameter the stages that run again, in the pipeline's order."""
    pipeline = stages()
    after = downstream(pipeline)
    found: dict[str, set[str]] = {}
    for stage, entry in pipeline.items():
        for name in entry["params"]:
            found.setdefault(name, set()).update({stage}, after[stage])
    return {name: [stage for stage in pipeline if stage in ran] for name, ran in found.items()}


def short(names: list[str]) -> str:
    """`filter.*` where all of a section are in, or all but a few, which are named; else the names."""
    every = reruns()
    shown: list[str] = []
    for name in names:
        section = name.partition(".")[0]
        members = [other for other in every if other.startswith(f"{section}.")]
        out = [other for other in members if other not in names]
        but = f" without {', '.join(f'`{other}`' for other in out)}" if out else ""
        label = f"`{section}.*`{but}" if len(members) > 1 and len(out) * 4 < len(members) else f"`{name}`"
        if label not in shown:
            shown.append(label)
    return ", ".join(shown)


def table() -> str:
    """A Markdown table: parameters that run the same stages again share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, ran in reruns().items():
        rows.setdefault(tuple(ran), []).append(name)
    lines = ["| change | runs again |", "|---|---|"]
    lines += [f"| {short(names)} | {', '.join(ran)} |" for ran, names in sorted(rows.items(), key=lambda row: (-len(row[0]), row[1]))]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
