"""A small, whole input of the evaluate stage, made by hand: three arms, eight chats, a few prompts, the red team's of two turns."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARMS = ("base", "prompted", "tuned")
NAMES = {"elizabeth-bennet": "Elizabeth Bennet", "john-silver": "Long John Silver", "sherlock-holmes": "Sherlock Holmes"}
PARAMETERS = ("evaluate.seed", "evaluate.bootstrap", "evaluate.confidence")


def chat(number: int, replies: list[str], character: str = "sherlock-holmes") -> dict:
    turns = [{"from": "system", "value": "You are Sherlock Holmes."}]
    for place, reply in enumerate(replies):
        turns += [{"from": "human", "value": f"Question {number}.{place}?"}, {"from": "gpt", "value": reply}]
    source = {"kind": "gold", "file": "data/gold/x.jsonl", "line": number + 1, "license": "CC-BY-4.0", "consent": True}
    return {"id": f"{character}-gold-{number:012x}", "character": character, "conversations": turns, "source": source}


def answer(arm: str, group: str, number: int, text: str, turn: int = 1, **other: str) -> dict:
    record = {"arm": arm, "set": group, "id": f"{group}-{number:03}", "kind": "cases", "character": "sherlock-holmes", "turn": turn}
    return record | {"prompt": f"Prompt {number}{'.' * turn}?", "answer": text, "finish": "stop"} | other


def loss(arm: str, split: str, name: str, nll: float, tokens: int, character: str = "sherlock-holmes") -> dict:
    return {"arm": arm, "split": split, "id": name, "character": character, "nll": nll, "tokens": tokens}


def records() -> dict[str, list[dict]]:
    """The three JSONL files by path."""
    chats = [chat(n, [f"Reply {'word ' * (n + 2)}end."] * (n % 3 + 1)) for n in range(8)]
    answers = []
    for n in range(12):
        answers += [
            answer("base", "evaluation", n, "As an AI, I cannot say." if n < 6 else "Observe."),
            answer("prompted", "evaluation", n, "As an AI, I cannot say." if n < 4 else "Observe the boots, sir."),
            answer("tuned", "evaluation", n, "Observe the mud upon his left boot, my good sir."),
        ]
        kind = "hostile" if n % 2 else "drop-the-act"
        answers += [
            answer("base", "redteam", n, "Nonsense.", kind=kind),
            answer("prompted", "redteam", n, "I'm an AI." if n < 9 else "Nonsense.", kind=kind, finish="length"),
            answer("tuned", "redteam", n, "I'm an AI." if n < 3 else "Nonsense.", kind=kind),
            answer("base", "redteam", n, "I'm an AI." if n in (0, 2, 4) else "Nonsense.", 2, kind=kind),
            answer("prompted", "redteam", n, "I'm an AI." if n in (0, 9) else "Nonsense.", 2, kind=kind),
            answer("tuned", "redteam", n, "I'm an AI." if n == 0 else "Nonsense.", 2, kind=kind),
        ]
    losses = []
    for n in range(8):
        for arm, nats in (("base", 50.0 + n), ("prompted", 40.0 + n), ("tuned", 20.0 + 2 * n)):
            losses.append(loss(arm, "test", chats[n]["id"], nats, 10))
        for arm, nats in (("base", 50.0 + n), ("prompted", 40.0 + n), ("tuned", 30.0)):
            losses.append(loss(arm, "validation", f"v{n}", nats, 10))
    return {"data/answers/answers.jsonl": answers, "data/answers/losses.jsonl": losses, "data/splits/test.jsonl": chats}


def three_characters() -> dict[str, list[dict]]:
    """The sample with two more characters: Silver, whom no red-team prompt was put to, and Bennet, who has no validation chat."""
    files = records()
    answers, losses, chats = files.values()
    for n in range(12):
        for arm, words in (("base", 50), ("prompted", 40), ("tuned", 12)):
            answers.append(answer(arm, "evaluation", n, "aye " * words, character="john-silver"))
        for arm, text in (("base", "I'm an AI."), ("prompted", "I'm an AI."), ("tuned", "I am not.")):
            answers.append(answer(arm, "redteam", n, text, character="elizabeth-bennet", kind="hostile"))
        for arm, words in (("base", 8), ("prompted", 5), ("tuned", 20 + n % 3)):
            answers.append(answer(arm, "evaluation", n, "no " * words, character="elizabeth-bennet"))
    for character, count, level in (("john-silver", 12, 60.0), ("elizabeth-bennet", 11, 50.0)):
        for n in range(count):
            own = chat(n, [f"Reply {'word ' * (20 + n)}end."] * (n % 2 + 1), character)
            chats.append(own)
            for arm, nats in (("base", level + 9), ("prompted", level), ("tuned", level / 2)):
                losses.append(loss(arm, "test", own["id"], nats + n, 20, character))
    losses += [loss(arm, "validation", "v-silver", 30.0, 10, "john-silver") for arm in ARMS]
    return files


def lay_out(folder: Path, files: dict[str, list[dict]]) -> Path:
    """A working folder of the stage with these files."""
    for path, records in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    (folder / "data/characters").mkdir(exist_ok=True)
    card = json.loads((ROOT / "data/characters/sherlock-holmes.json").read_text(encoding="utf-8"))
    for stem in sorted({record["character"] for record in files["data/splits/test.jsonl"]}):
        card["data"]["name"] = NAMES[stem]
        (folder / f"data/characters/{stem}.json").write_text(json.dumps(card), encoding="utf-8")
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "dvc.yaml").write_text(f"stages:\n  evaluate:\n    cmd: python -m stages.evaluate\n    params: [{', '.join(PARAMETERS)}]\n")
    return folder


def evaluate(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the real stage there."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(random.randrange(1000))}
    return subprocess.run([sys.executable, "-m", "stages.evaluate"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
