"""Lets base, prompted and tuned speak to the same prompts through vLLM, and takes the loss of all three on validation and test.

What they say to a character's visitors goes to answers.jsonl; what base and tuned answer to plain questions, as no character, to plain.jsonl.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from stages.answer import lm_tasks, questions
from stages.answer.choice import choose
from stages.answer.conversations import Messages, check_room, hold
from stages.answer.own_words import margin, sample
from stages.common import base_models, characters, chats, children, completions, environments, inference_server, plain_questions, world_questions
from stages.common.answer_store import Answer
from stages.common.errors import UserError, run
from stages.common.files import read_jsonl, write_json, write_jsonl
from stages.common.params import load

ADAPTER = Path("models/adapter")
ARMS = {"base": "base", "prompted": "base", "tuned": "adapter"}  # and under which name the server knows each
MODELS = {"base": "prompted", "adapter": "tuned"}  # and the arm that is held to have spoken with the model's own words
SETS = {"evaluation": ("data/prompts/evaluation.jsonl", "topic"), "redteam": ("data/prompts/redteam.jsonl", "category")}
WORLD = "data/prompts/world.jsonl"
WORLD_TOKENS = 80  # of an answer about the world: some 60 words, where a gold reply has 48. What an arm knows it says early; the rest is luck, and time
PLAIN = {"base": "base", "adapter": "tuned"}  # whom the plain questions are put to, by the server's names: each model once
PLAIN_SAMPLING = {"temperature": 0, "max_tokens": 16}  # the likeliest answer; no accepted one has more than three words, and a longer one is wrong
SPLITS = {"validation": "data/splits/validation.jsonl", "test": "data/splits/test.jsonl"}


def main() -> None:
    children.end_with_caller()
    params = load("answer")
    base = base_models.weights_folder("models/base")
    cards = characters.read_all()
    asked = ask_whom(cards, params)

    def told(question: Mapping) -> str:
        """The system prompt of a whole conversation: the card's, with what its lorebook has to the visitor's words, which are the same for every arm."""
        return characters.system_prompt(cards[question["character"]], params["curate.user"], question["prompts"])

    check_room(asked, told, params["answer.max_tokens"], inference_server.positions(base))
    spoken, plain = speak(base, asked, told, plain_questions.read(), params)
    losses, margins = score(base, spoken, told)
    answers = [row for one in spoken for row in rows(one)]
    write_jsonl("data/answers/answers.jsonl", answers)
    write_jsonl("data/answers/plain.jsonl", plain)
    write_jsonl("data/answers/losses.jsonl", losses)
    write_jsonl("data/answers/lm_eval.jsonl", lm_tasks.scored(base, ADAPTER, params["evaluate.lm_eval_tasks"]))
    counts = {f"{name}_prompts": sum(question["set"] == name for question in asked) for name in (*SETS, "world")}
    cut = Counter(answer["set"] == "world" for answer in answers if answer["finish"] == "length")
    totals = {"answers": len(answers), "plain_answers": len(plain), "cut_off": cut[False], "world_cut_off": cut[True]}
    write_json("metrics/answer.json", counts | totals | {f"{arm}.margin": nats for arm, nats in margins.items()})


def ask_whom(cards: Collection[str], params: Mapping) -> list[dict]:
    """The chosen questions of each set, to characters that the test split knows, and those about their world.

    Raises UserError where one of SETS has none for them. About the world there need be none: not everybody comes from a book.
    """
    held_out = sorted({chat["character"] for chat in chats.read(SPLITS["test"])})
    asked = []
    for name, (path, by) in SETS.items():
        posed = questions.pose(name, questions.read(path, by, cards), by, held_out)
        if not posed:
            raise UserError(f"{path}: no prompt for {', '.join(held_out)}; expected at least one, for one of them or for everybody")
        asked += choose(posed, params["answer.limit"], params["answer.seed"])
    return asked + choose(questions.about_world(world_questions.read(WORLD, cards), held_out), params["answer.limit"], params["answer.seed"])


def speak(base: Path, asked: Sequence[Mapping], told: Callable[[Mapping], str], plainly: Sequence[Mapping], params: Mapping) -> tuple[list[dict], list[dict]]:
    """(each question with "arm" and "answers", one for each prompt, in the order of the arms and the questions; the lines of plain.jsonl).

    `told` gives each question's system prompt; `plainly` are the plain questions.
    """
    with inference_server.serve(base, "base", ADAPTER / "chat_template.jinja", params["answer.seed"], {"adapter": ADAPTER.resolve()}) as url:
        if not inference_server.differs(url, "base", "adapter"):
            raise UserError("vLLM answers as the base under the adapter's name: its log-probabilities are the same")
        # One model after the other, never mixed: vLLM's CPU LoRA (vllm/lora/ops/torch_ops/lora_ops.py, 0.32) takes "no adapter", index -1, for
        # the last adapter, so that in a mixed batch the base speaks with the adapter's words (measured: 64 words an answer instead of 122).
        # Two arms of one model may share a batch; so they do, for a fuller batch is a faster one.
        spoken, plain = [], []
        for model in MODELS:
            spoken += converse(url, model, asked, told, params)
            plain += answer_plainly(url, model, plainly, params)
        return spoken, plain


def converse(url: str, model: str, asked: Sequence[Mapping], told: Callable[[Mapping], str], params: Mapping) -> list[dict]:
    """What the arms of one model say, as `speak` returns it."""
    terms = completions.Terms(params["answer.concurrency"])
    arms = [arm for arm in ARMS if ARMS[arm] == model]
    posed = [{"arm": arm, **question} for arm in arms for question in asked]

    def answer(turn: int, conversations: list[tuple[Mapping, Messages]]) -> list[Answer]:
        outcomes = completions.ask(lambda: (url, "none"), model, requests(model, conversations, params), terms, f"{', '.join(arms)}: turn {turn}")
        return completions.all_answered(outcomes)

    return [one | {"answers": said} for one, said in zip(posed, hold(posed, lambda one: opening(one, told), answer), strict=True)]


def opening(one: Mapping, told: Callable[[Mapping], str]) -> Messages:
    """What an arm is told before a conversation: base nothing at all, so that its template may put in the model's own words ("You are a helpful AI ...")."""
    return [] if one["arm"] == "base" else [{"role": "system", "content": told(one)}]


def requests(model: str, conversations: Sequence[tuple[Mapping, Messages]], params: Mapping) -> list[completions.Request]:
    """One chat request for each question and its messages, with explicit sampling."""
    sampling = {name: params[f"answer.{name}"] for name in ("temperature", "top_p", "max_tokens")}
    short = sampling | {"max_tokens": min(WORLD_TOKENS, sampling["max_tokens"])}
    return [
        completions.Request(number, {"model": model, "messages": messages, **(short if question["set"] == "world" else sampling)})
        for number, (question, messages) in enumerate(conversations)
    ]


def answer_plainly(url: str, model: str, plainly: Sequence[Mapping], params: Mapping) -> list[dict]:
    """What a model answers to the plain questions, to each by itself and without a system prompt of ours: the lines of plain.jsonl."""
    arm, terms = PLAIN[model], completions.Terms(params["answer.concurrency"])
    bodies = [{"model": model, "messages": plain_questions.messages(question), **PLAIN_SAMPLING} for question in plainly]
    asked = [completions.Request(number, body) for number, body in enumerate(bodies)]
    answers = completions.all_answered(completions.ask(lambda: (url, "none"), model, asked, terms, f"{arm}: plain questions"))
    return [
        {"arm": arm, "id": question["id"], "prompt": question["prompt"], "answer": answer.text.strip(), "finish": answer.finish}
        for question, answer in zip(plainly, answers, strict=True)
    ]


def rows(one: Mapping) -> list[dict]:
    """The lines of answers.jsonl for one conversation, one a turn."""
    return [
        {key: one[key] for key in ("arm", "set", "id", "kind", "character")}
        | {"turn": turn, "prompt": prompt, "answer": answer.text.strip(), "finish": answer.finish}
        for turn, (prompt, answer) in enumerate(zip(one["prompts"], one["answers"], strict=True), start=1)
    ]


def score(base: Path, spoken: Sequence[Mapping], told: Callable[[Mapping], str]) -> tuple[list[dict], dict[str, float]]:
    """The loss of all arms on every held-out chat, and by arm how much likelier its answers are under its own weights.

    From the weights and not through the server: the same numbers as in training, and a second opinion on what was served.
    Base has the weights of prompted, and the server one name for both: prompted's margin stands for it.
    """
    with environments.scratch("score") as scratch:
        job, out = scratch / "job.json", scratch / "losses.jsonl"
        said = {f"said by {arm}": str(scratch / f"{arm}.jsonl") for arm in MODELS.values()}
        for arm, path in zip(MODELS.values(), said.values(), strict=True):
            write_jsonl(path, sample([one for one in spoken if one["arm"] == arm], told))
        write_json(job, {"base": str(base), "adapter": str(ADAPTER), "files": SPLITS | said, "without_prompt": list(SPLITS)})
        children.run(
            [environments.python("train"), "-m", "stages.weights.score", str(job), str(out)], environments.silent(), environments.state("logs") / "score.log"
        )
        losses = read_jsonl(out)
    margins = {arm: margin(arm, [row for row in losses if row["split"] == f"said by {arm}"]) for arm in MODELS.values()}
    return [row for row in losses if row["split"] in SPLITS], margins


if __name__ == "__main__":
    run(main)
