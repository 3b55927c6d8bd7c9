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

ANSWERS = Path("data/synthetic/answers.jsonl")


def store() -> AnswerStore:
    """The machine's store of answers, with those that the last run of the pipeline had, wherever it ran. Raises UserError where either cannot be read."""
    answers = AnswerStore(environments.state("answers") / "answers.sqlite")
    if ANSWERS.exists() and (new := answers.put(read(ANSWERS))):
        print(f"{new} answers of {ANSWERS} are in this machine's store now", flush=True)
    return answers


def elsewhere(answers: AnswerStore) -> str | None:
    """One sentence where a run on another machine has paid for answers that are not here: dvc.lock names them, and nobody has asked anything here yet."""
    if ANSWERS.exists() or not answers.is_empty() or not Path("dvc.lock").exists():
        return None
    outs = read_yaml("dvc.lock").get("stages", {}).get("synthesize", {}).get("outs", [])
    if not any(out.get("path") == str(ANSWERS) and out.get("size") for out in outs):
        return None
    return f"dvc.lock names answers that were paid for on another machine: `dvc pull {ANSWERS}` brings them; where they are lost, `touch {ANSWERS}`"


def read(path: Path) -> dict[str, Answer]:
    """The answers of a file by key. Raises UserError with file and line where one is none."""
    found = {}
    for line, row in read_lines(path):
        problem = str(row) if isinstance(row, ValueError) else fault("answer", row)
        if problem:
            raise UserError(f"{path}:{line}: {problem}")
        found[row["key"]] = Answer(*(row[name] for name in Answer.__dataclass_fields__))
    return found


def keep(answers: Iterable[tuple[int, str, Answer]]) -> None:
    """Write (number of the request, key, answer) of each answer of this run's requests."""
    write_jsonl(ANSWERS, ({"request": number, "key": name, **vars(answer)} for number, name, answer in answers))
