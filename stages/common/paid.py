"""The raw answers: in this machine's store, and in a file of the pipeline, from which another machine fills its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stages.common import environments
from stages.common.answer_store import Answer, AnswerStore
from stages.common.errors import UserError
from stages.common.files import read_lines, write_jsonl
from stages.common.params import read_yaml
from stages.common.schemas import fault


def store(path: Path) -> AnswerStore:
    """The machine's store of answers, with those that the last run of the pipeline had at `path`, wherever it ran. Raises UserError where either cannot be read."""
    answers = AnswerStore(environments.state("answers") / "answers.sqlite")
    if path.exists() and (new := answers.put(read(path))):
        print(f"{new} answers of {path} are in this machine's store now", flush=True)
    return answers


def elsewhere(known: bool, path: Path, stage: str) -> str | None:
    """One sentence where a run of the stage on another machine has paid for answers that are not here: dvc.lock names them, and nothing is `known` here."""
    if path.exists() or known or not Path("dvc.lock").exists():
        return None
    outs = read_yaml("dvc.lock").get("stages", {}).get(stage, {}).get("outs", [])
    if not any(out.get("path") == str(path) and out.get("size") for out in outs):
        return None
    return f"dvc.lock names answers that were paid for on another machine: `dvc pull {path}` brings them; where they are lost, `touch {path}`"


def read(path: Path) -> dict[str, Answer]:
    """The answers of a file by key. Raises UserError with file and line where one is none."""
    found = {}
    for line, row in read_lines(path):
        problem = str(row) if isinstance(row, ValueError) else fault("answer", row)
        if problem:
            raise UserError(f"{path}:{line}: {problem}")
        found[row["key"]] = Answer(*(row[name] for name in Answer.__dataclass_fields__))
    return found


def keep(path: Path, answers: Iterable[tuple[int, str, Answer]]) -> None:
    """Write (number of the request, key, answer) of each answer of this run's requests to `path`."""
    write_jsonl(path, ({"request": number, "key": name, **vars(answer)} for number, name, answer in answers))
