"""Lets base, prompted and tuned speak to the same prompts through vLLM, and takes the loss of all three on validation and test.

What they say to a character's visitors goes to answers.jsonl; what they say to a visitor whom a model plays, so that each arm hears other words, to talks.jsonl;
what base and tuned answer to plain questions, as no character, to plain.jsonl. With answer.seeds above 1 everything that is asked of a character is asked again,
and what is then said, by chance other words, goes to samples.jsonl.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stages.answer import lm_tasks, questions, situations, visitor
from stages.answer.choice import choose
from stages.answer.conversations import Messages, Open, check_room, hold
from stages.answer.own_words import margin, sample
from stages.answer.served import Scored, Served, keep
from stages.answer.situations import TALK
from stages.answer.speakers import serving
from stages.common import base_models, characters, chats, children, environments, inference_server, plain_questions, world_questions
from stages.common.answer_store import Answer
from stages.common.errors import UserError, run
from stages.common.files import read_json, read_jsonl, write_json, write_jsonl
from stages.common.params import load

ADAPTER = Path("models/adapter")
ARMS = {"base": "base", "prompted": "base", "tuned": "adapter"}  # and under which name the server knows each
MODELS = {"base": "prompted", "adapter": "tuned"}  # and the arm that is held to have spoken with the model's own words
SETS = {"evaluation": ("data/prompts/evaluation.jsonl", "topic"), "redteam": ("data/prompts/redteam.jsonl", "category")}
WORLD = "data/prompts/world.jsonl"
SHORT = {"world": 80, TALK: 48}  # tokens of an answer at most: what an arm knows, and that it is an assistant, it says early; the rest is luck, and time
PLAIN = {"base": "base", "adapter": "tuned"}  # whom the plain questions are put to, by the server's names: each model once
PLAIN_SAMPLING = {"temperature": 0, "max_tokens": 16}  # the likeliest answer; no accepted one has more than three words, and a longer one is wrong
SPLITS = {"validation": "data/splits/validation.jsonl", "test": "data/splits/test.jsonl"}


def main() -> None:
    children.end_with_caller()
    params = load("answer")
    base = base_models.weights_folder("models/base")
    cards = characters.read_all()
    once, told = ask_whom(cards, params), telling(cards, params["curate.user"])
    asked = again(once, params["answer.seeds"])
    check_room(asked, told, lambda question: most_tokens(question, params), inference_server.positions(base))
    visitor.connection(params)
    spoken, plain, served = speak(base, asked, told, plain_questions.read(), params)
    losses, margins, scored = score(base, spoken, told)
    tasks = lm_tasks.scored(base, ADAPTER, params["evaluate.lm_eval_tasks"])
    talks = [row for one in spoken if one["set"] == TALK for row in rows(one)]
    answers, samples = ([row for one in spoken if one["set"] != TALK and (one["sample"] > 1) == later for row in rows(one)] for later in (False, True))
    write_jsonl("data/answers/answers.jsonl", answers)
    write_jsonl("data/answers/samples.jsonl", samples)
    write_jsonl("data/answers/talks.jsonl", talks)
    write_jsonl("data/answers/plain.jsonl", plain)
    write_jsonl("data/answers/losses.jsonl", losses)
    write_jsonl("data/answers/lm_eval.jsonl", tasks)
    counts = {f"{name}_prompts": sum(question["set"] == name for question in once) for name in (*SETS, "world", TALK)}
    cut = Counter(answer["set"] for answer in answers if answer["finish"] == "length")
    totals = {"answers": len(answers), "sample_answers": len(samples), "talk_answers": len(talks), "plain_answers": len(plain)}
    totals |= {"cut_off": sum(cut[name] for name in SETS), "world_cut_off": cut["world"]}
    write_json("metrics/answer.json", counts | totals | {f"{arm}.margin": nats for arm, nats in margins.items()})
    keep(read_json("models/base/manifest.json")["reference"], served, scored)


def ask_whom(cards: Mapping[str, Mapping], params: Mapping) -> list[dict]:
    """The chosen questions of each set, to characters that the test split knows, those about their world, and the simulated conversations.

    Raises UserError where one of SETS has none for them. About the world there need be none: not everybody comes from a book.
    """
    held_out = sorted({chat["character"] for chat in chats.read(SPLITS["test"])})
    asked = []
    for name, (path, by) in SETS.items():
        posed = questions.pose(name, questions.read(path, by, cards), by, held_out)
        if not posed:
            raise UserError(f"{path}: no prompt for {', '.join(held_out)}; expected at least one, for one of them or for everybody")
        asked += choose(posed, params["answer.limit"], params["answer.seed"])
    asked += choose(questions.about_world(world_questions.read(WORLD, cards), held_out), params["answer.limit"], params["answer.seed"])
    return asked + choose(situations.talks(situations.read(situations.FILE, cards), cards, held_out), params["answer.talks"], params["answer.seed"])


def again(once: Sequence[Mapping], seeds: int) -> list[dict]:
    """The questions with the number of their "sample", from 1: all of them, then so often as is left all but the simulated conversations."""
    return [{"sample": n, **question} for n in range(1, seeds + 1) for question in once if n == 1 or question["set"] != TALK]


def telling(cards: Mapping[str, Mapping], user: str) -> Callable[[Mapping], str]:
    """What gives the system prompt of a whole conversation: the card's, with what its lorebook has to those of the visitor's words that are the same for every arm."""

    def told(question: Mapping) -> str:
        known = question["prompts"][:1] if question["set"] == TALK else question["prompts"]
        return characters.system_prompt(cards[question["character"]], user, known)

    return told


def most_tokens(question: Mapping, params: Mapping) -> int:
    """Of an answer to a question."""
    return min(params["answer.max_tokens"], SHORT.get(question["set"], params["answer.max_tokens"]))


def speak(
    base: Path, asked: Sequence[Mapping], told: Callable[[Mapping], str], plainly: Sequence[Mapping], params: Mapping
) -> tuple[list[dict], list[dict], Served]:
    """(each question with "arm", "said" and "answers", one for each turn, in the order of the arms and the questions; the lines of plain.jsonl; what it took).

    `told` gives each question's system prompt; `plainly` are the plain questions.
    """
    began = time.monotonic()
    with serving(base, ADAPTER, params["answer.seed"]) as urls:
        served = Served(urls, params["answer.concurrency"], time.monotonic() - began)
        # One model after the other: two share the machine and finish no sooner. Two arms of one model share a batch, for a fuller one is a faster one.
        spoken, plain = [], []
        for model in MODELS:
            spoken += converse(served, model, asked, told, params)
            plain += answer_plainly(served, model, plainly)
        return spoken, plain, served


def converse(served: Served, model: str, asked: Sequence[Mapping], told: Callable[[Mapping], str], params: Mapping) -> list[dict]:
    """What the arms of one model say, as `speak` returns it: "said" has the visitor's words in each turn, which in a simulated conversation are not its "prompts"."""
    arms = [arm for arm in ARMS if ARMS[arm] == model]
    posed, label, visit = [{"arm": arm, **question} for arm in arms for question in asked], ", ".join(arms), visitor.asking(served, params)

    def answer(turn: int, conversations: Open) -> list[Answer]:
        return served.ask(model, requests(conversations, params), f"{label}: turn {turn}")

    held = hold(posed, lambda one: opening(one, told), lambda turn, conversations: visitor.prompts(turn, conversations, visit, label), answer)
    return [one | {"said": [words for words, _ in turns], "answers": [given for _, given in turns]} for one, turns in zip(posed, held, strict=True)]


def opening(one: Mapping, told: Callable[[Mapping], str]) -> Messages:
    """What an arm is told before a conversation: base nothing at all, so that its template may put in the model's own words ("You are a helpful AI ...")."""
    return [] if one["arm"] == "base" else [{"role": "system", "content": told(one)}]


def requests(conversations: Open, params: Mapping) -> list[dict]:
    """The chat request for each question and its messages, with explicit sampling."""
    return [{"messages": messages, **sampling(params), "max_tokens": most_tokens(question, params)} for question, messages in conversations]


def sampling(params: Mapping) -> dict[str, float]:
    """The same for every arm; min_p is vLLM's own field of a request."""
    return {name: params[f"answer.{name}"] for name in ("temperature", "top_p", "min_p")}


def answer_plainly(served: Served, model: str, plainly: Sequence[Mapping]) -> list[dict]:
    """What a model answers to the plain questions, to each by itself and without a system prompt of ours: the lines of plain.jsonl."""
    arm = PLAIN[model]
    answers = served.ask(model, [{"messages": plain_questions.messages(question), **PLAIN_SAMPLING} for question in plainly], f"{arm}: plain questions")
    return [
        {"arm": arm, "id": question["id"], "prompt": question["prompt"], "answer": answer.text.strip(), "finish": answer.finish}
        for question, answer in zip(plainly, answers, strict=True)
    ]


def rows(one: Mapping) -> list[dict]:
    """The lines of answers.jsonl for one conversation, one a turn.

    In samples.jsonl a line has its "sample" too; in talks.jsonl no set but "written": whether the visitor's words are the file's.
    """
    talk = one["set"] == TALK
    return [
        {key: one[key] for key in ("arm", *(() if talk else ("set",)), "id", "kind", "character")}
        | ({"sample": one["sample"]} if one["sample"] > 1 else {})
        | {"turn": turn, "prompt": prompt, **({"written": prompt == written} if talk else {}), "answer": answer.text.strip(), "finish": answer.finish}
        for turn, (prompt, written, answer) in enumerate(zip(one["said"], one["prompts"], one["answers"], strict=True), start=1)
    ]


def score(base: Path, spoken: Sequence[Mapping], told: Callable[[Mapping], str]) -> tuple[list[dict], dict[str, float], Scored]:
    """The loss of all arms on every held-out chat, by arm how much likelier its answers are under its own weights, and what that took.

    From the weights and not through the server: the same numbers as in training, and a second opinion on what was served.
    Base has the weights of prompted, and the server one name for both: prompted's margin stands for it.
    """
    began = time.monotonic()
    with environments.scratch("score") as scratch:
        job, out = scratch / "job.json", scratch / "losses.jsonl"
        said = {f"said by {arm}": str(scratch / f"{arm}.jsonl") for arm in MODELS.values()}
        for arm, path in zip(MODELS.values(), said.values(), strict=True):
            write_jsonl(path, sample([one for one in spoken if one["arm"] == arm and one["sample"] == 1], told))
        write_json(job, {"base": str(base), "adapter": str(ADAPTER), "files": SPLITS | said, "without_prompt": list(SPLITS)})
        children.run(
            [environments.python("train"), "-m", "stages.weights.score", str(job), str(out)], environments.silent(), environments.state("logs") / "score.log"
        )
        losses = read_jsonl(out)
    margins = {arm: margin(arm, [row for row in losses if row["split"] == f"said by {arm}"]) for arm in MODELS.values()}
    scored = Scored(sum(row["tokens"] for row in losses), time.monotonic() - began)
    return [row for row in losses if row["split"] in SPLITS], margins, scored


if __name__ == "__main__":
    run(main)
