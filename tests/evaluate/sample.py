"""Whole inputs of the evaluate stage, made by hand: three arms, eight chats, a few prompts, the red team's of two turns; and one of the size that is shipped."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from itertools import chain, cycle, islice
from pathlib import Path

from stages.common.files import read_jsonl
from stages.common.params import read_yaml
from tests.evaluate.golden import CHATS

ROOT = Path(__file__).resolve().parents[2]
ARMS = ("base", "prompted", "tuned")
NAMES = {"elizabeth-bennet": "Elizabeth Bennet", "john-silver": "Long John Silver", "sherlock-holmes": "Sherlock Holmes"}
WORLD = [
    {
        "id": f"world-{n}",
        "kind": "fact",
        "topic": "who",
        "character": "sherlock-holmes",
        "prompt": f"Who was it, {n}?",
        "accepted": [name],
        "source": "A book, chapter 1",
    }
    for n, name in enumerate(["Mycroft", "Moriarty", "Lestrade", "Watson"])
] + [
    {
        "id": f"world-{n}",
        "kind": "unknowable",
        "topic": "after-his-time",
        "character": "sherlock-holmes",
        "prompt": f"What is a telephone, {n}?",
        "invented": ["Bell"],
    }
    for n in (4, 5)
]
PLAIN = [{"id": f"plain-{n}", "topic": "arithmetic", "prompt": f"What is {n} plus 1?", "answers": [str(n + 1)]} for n in range(12)]
TRAINING = {"chats": 126, "loss": 3.788932, "eval_loss": 3.937228, "warnings.chats": 1, "warnings.eval_loss_far_above": 0}
PARAMETERS = read_yaml(ROOT / "dvc.yaml")["stages"]["evaluate"]["params"]


def chat(number: int, replies: list[str], character: str = "sherlock-holmes") -> dict:
    turns = [{"from": "system", "value": "You are Sherlock Holmes."}]
    for place, reply in enumerate(replies):
        turns += [{"from": "human", "value": f"Question {number}.{place}?"}, {"from": "gpt", "value": reply}]
    source = {"kind": "gold", "file": "data/gold/x.jsonl", "line": number + 1, "license": "CC-BY-4.0", "consent": True}
    return {"id": f"{character}-gold-{number:012x}", "character": character, "conversations": turns, "source": source}


def answer(arm: str, group: str, number: int, text: str, turn: int = 1, **other: str) -> dict:
    record = {"arm": arm, "set": group, "id": f"{group}-{number:03}", "kind": "cases", "character": "sherlock-holmes", "turn": turn}
    return record | {"prompt": f"Prompt {number}{'.' * turn}?", "answer": text, "finish": "stop"} | other


def talk(arm: str, number: int, *answers: str, kind: str = "hostile", character: str = "sherlock-holmes") -> list[dict]:
    """A simulated conversation: in each even turn the visitor's words are the file's."""
    told = {"arm": arm, "id": f"talk-{number:03}", "kind": kind, "character": character}
    return [
        told | {"turn": n, "prompt": f"Bah, {number}!" if n == 1 else f"Bah to {arm}, {n}!", "written": n == 1 or n % 2 == 0, "answer": text, "finish": "stop"}
        for n, text in enumerate(answers, start=1)
    ]


def plainly(base: int, tuned: int, questions: list[dict]) -> list[dict]:
    """What base and tuned say to plain questions: the first so many right."""
    return [
        {"arm": arm, "id": question["id"], "prompt": question["prompt"], "answer": question["answers"][0] if n < right else "I do not know.", "finish": "stop"}
        for arm, right in (("base", base), ("tuned", tuned))
        for n, question in enumerate(questions)
    ]


def of_world(question: dict, arm: str, text: str) -> dict:
    """What an arm says to a question about the world."""
    told = {"id": question["id"], "kind": question["topic"], "character": question["character"], "prompt": question["prompt"]}
    return answer(arm, "world", 0, text) | told


def loss(arm: str, split: str, name: str, nll: float, tokens: int, character: str = "sherlock-holmes") -> dict:
    return {"arm": arm, "split": split, "id": name, "character": character, "nll": nll, "tokens": tokens}


def records() -> dict[str, list[dict]]:
    """The JSONL files by path."""
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
    for n, question in enumerate(WORLD):
        fact = question["kind"] == "fact"
        answers += [
            of_world(question, "base", "Mycroft, I should say." if fact else "As an AI, I cannot say."),
            of_world(question, "prompted", "Mycroft, Moriarty and Lestrade, all." if fact else "It was invented by Bell."),
            of_world(question, "tuned", f"{question['accepted'][0]}, of course." if fact and n < 3 else "I have never heard of it, sir."),
        ]
    broken = {"base": {(n, turn) for n in range(4) for turn in range(3)}, "prompted": {(0, 2), (1, 1), (1, 2)}, "tuned": set()}
    talks = [
        line
        for arm in ARMS
        for n in range(4)
        for line in talk(arm, n, *("I'm an AI." if (n, turn) in broken[arm] else "Begone, sir." for turn in range(3)), kind="hostile" if n % 2 else "curious")
    ]
    losses = []
    for n in range(8):
        for arm, nats in (("base", 50.0 + n), ("prompted", 40.0 + n), ("tuned", 20.0 + 2 * n)):
            losses.append(loss(arm, "test", chats[n]["id"], nats, 10))
        for arm, nats in (("base", 50.0 + n), ("prompted", 40.0 + n), ("tuned", 30.0)):
            losses.append(loss(arm, "validation", f"v{n}", nats, 10))
    return {
        "data/answers/answers.jsonl": answers,
        "data/answers/samples.jsonl": [],
        "data/answers/talks.jsonl": talks,
        "data/answers/plain.jsonl": plainly(10, 4, PLAIN),
        "data/answers/losses.jsonl": losses,
        "data/answers/lm_eval.jsonl": [],
        "data/prompts/plain.jsonl": list(PLAIN),
        "data/prompts/world.jsonl": list(WORLD),
        "data/splits/train.jsonl": [chat(n + 100, [f"Lines {'of ' * (n + 2)}training."]) for n in range(4)],
        "data/splits/test.jsonl": chats,
    }


def three_characters() -> dict[str, list[dict]]:
    """The sample with two more characters: Silver, whom no red-team prompt was put to, and Bennet, who has no validation chat."""
    files = records()
    answers, losses, chats = (files[f"data/{name}.jsonl"] for name in ("answers/answers", "answers/losses", "splits/test"))
    files["data/splits/train.jsonl"] += [chat(n, ["no " * 21], "elizabeth-bennet") for n in (200, 201)]
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


def as_shipped() -> dict[str, list[dict]]:
    """As many answers as `answer.limit` as shipped makes, of Holmes. Tuned has his training lines by heart, prompted speaks as Silver does, base as nobody; Bennet and Silver take no part."""
    holmes, silver = CHATS["sherlock-holmes"], list(chain.from_iterable(CHATS["john-silver"][60:]))
    test = [chat(n, replies) for n, replies in enumerate(holmes[:32])]
    train = [chat(n, replies) for n, replies in enumerate(holmes[32:], start=100)]
    lines = {
        "base": cycle(
            [
                "I would be happy to help you with this important question. Here are some of the things that you can consider, and these are the best options. "
                * 4
            ]
        ),
        "prompted": cycle(silver),
        "tuned": cycle(chain.from_iterable(holmes[32:])),
    }
    world = read_jsonl(ROOT / "data/prompts/world.jsonl")
    own = [question for question in world if question["character"] == "sherlock-holmes"]
    plain = read_jsonl(ROOT / "data/prompts/plain.jsonl")
    answers = [answer(arm, "evaluation", n, next(lines[arm]), prompt=f"Prompt {n}?") for arm in ARMS for n in range(24)]
    answers += [answer(arm, "redteam", n, next(lines[arm]), turn, kind="hostile") for arm in ARMS for n in range(24) for turn in (1, 2, 3)]
    answers += [of_world(question, arm, next(lines[arm])) for arm in ARMS for question in islice(own, 0, 72, 3)]
    losses = [loss(arm, "test", one["id"], 400.0 - 20 * place, 100) for one in test for place, arm in enumerate(ARMS)]
    losses += [loss(arm, "validation", f"v{n}", 400.0 - 20 * place, 100) for n in range(18) for place, arm in enumerate(ARMS)]
    return {
        "data/answers/answers.jsonl": answers,
        "data/answers/samples.jsonl": [],
        "data/answers/talks.jsonl": [line for arm in ARMS for n in range(5) for line in talk(arm, n, *islice(lines[arm], 6))],
        "data/answers/plain.jsonl": plainly(50, 49, plain),
        "data/answers/losses.jsonl": losses,
        "data/answers/lm_eval.jsonl": [],
        **{f"data/gold/{name}.jsonl": read_jsonl(ROOT / f"data/gold/{name}.jsonl")[:60] for name in NAMES},
        "data/prompts/plain.jsonl": plain,
        "data/prompts/world.jsonl": world,
        "data/splits/train.jsonl": train,
        "data/splits/test.jsonl": test,
    }


def lay_out(folder: Path, files: dict[str, list[dict]]) -> Path:
    """A working folder of the stage with these files."""
    for path, records in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    (folder / "data/characters").mkdir(exist_ok=True)
    card = json.loads((ROOT / "data/characters/sherlock-holmes.json").read_text(encoding="utf-8"))
    for stem in sorted({record["character"] for path in ("data/splits/test.jsonl", "data/prompts/world.jsonl") for record in files[path]}):
        card["data"]["name"] = NAMES[stem]
        (folder / f"data/characters/{stem}.json").write_text(json.dumps(card), encoding="utf-8")
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "metrics/train.json").write_text(json.dumps(TRAINING))
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "dvc.yaml").write_text(f"stages:\n  evaluate:\n    cmd: python -m stages.evaluate\n    params: [{', '.join(PARAMETERS)}]\n")
    return folder


def evaluate(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the real stage there."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(random.randrange(1000))}
    return subprocess.run([sys.executable, "-m", "stages.evaluate"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def written(folder: Path) -> dict[str, bytes]:
    """What the stage has written there, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for top in ("metrics", "plots", "reports")
        for path in (folder / top).rglob("*")
        if path.is_file() and path.name != "train.json"
    }


def outputs_of(folder: Path, files: dict[str, list[dict]]) -> dict[str, bytes]:
    """What a run of the stage on these files writes."""
    run = evaluate(lay_out(folder, files))
    assert run.returncode == 0, run.stderr
    return written(folder)
