"""Lets prompted and tuned speak to the same prompts through vLLM, and takes the loss of both on validation and test."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from stages.answer import questions
from stages.answer.choice import choose
from stages.answer.own_words import margin, sample
from stages.common import base_models, characters, chats, children, completions, environments, inference_server
from stages.common.errors import UserError, run
from stages.common.files import read_jsonl, write_json, write_jsonl
from stages.common.params import load

ADAPTER = Path("models/adapter")
ARMS = {"prompted": "base", "tuned": "adapter"}  # and under which name the server knows each
SETS = {"evaluation": ("data/prompts/evaluation.jsonl", "topic"), "redteam": ("data/prompts/redteam.jsonl", "category")}
SPLITS = {"validation": "data/splits/validation.jsonl", "test": "data/splits/test.jsonl"}


def main() -> None:
    children.end_with_caller()
    params = load("answer")
    base = base_models.weights_folder("models/base")
    cards = characters.read_all()
    asked = ask_whom(cards, params)

    def told(question: Mapping) -> str:
        """The system prompt under which a question is asked and its answer is scored."""
        return characters.system_prompt(cards[question["character"]], params["curate.user"], [question["prompt"]])

    answers = speak(base, asked, told, params)
    losses, margins = score(base, answers, told)
    write_jsonl("data/answers/answers.jsonl", answers)
    write_jsonl("data/answers/losses.jsonl", losses)
    counts = {f"{name}_prompts": sum(question["set"] == name for question in asked) for name in SETS}
    cut = sum(answer["finish"] == "length" for answer in answers)
    write_json("metrics/answer.json", {**counts, "answers": len(answers), "cut_off": cut, **{f"{arm}.margin": nats for arm, nats in margins.items()}})


def ask_whom(cards: Collection[str], params: Mapping) -> list[dict]:
    """The chosen questions of each set, to characters that the test split knows. Raises UserError where a set has none for them."""
    held_out = sorted({chat["character"] for chat in chats.read(SPLITS["test"])})
    asked = []
    for name, (path, by) in SETS.items():
        posed = questions.pose(name, questions.read(path, by, cards), by, held_out)
        if not posed:
            raise UserError(f"{path}: no prompt for {', '.join(held_out)}; expected at least one, for one of them or for everybody")
        asked += choose(posed, params["answer.limit"], params["answer.seed"])
    return asked


def speak(base: Path, asked: list[dict], told: Callable[[Mapping], str], params: Mapping) -> list[dict]:
    """The answers of both arms, in the order of the arms and the questions; `told` gives each question's system prompt."""
    with inference_server.serve(base, "base", ADAPTER / "chat_template.jinja", params["answer.seed"], {"adapter": ADAPTER.resolve()}) as url:
        if not inference_server.differs(url, "base", "adapter"):
            raise UserError("vLLM answers as the base under the adapter's name: its log-probabilities are the same")
        # One arm after the other, never mixed: vLLM's CPU LoRA (vllm/lora/ops/torch_ops/lora_ops.py, 0.32) takes "no adapter", index -1, for
        # the last adapter, so that in a mixed batch the base speaks with the adapter's words (measured: 64 words an answer instead of 122).
        terms = completions.Terms(params["answer.concurrency"])
        given = {
            arm: completions.all_answered(completions.ask(lambda: (url, "none"), model, requests(model, asked, told, params), terms, arm))
            for arm, model in ARMS.items()
        }
    return [
        {"arm": arm, **question, "answer": answer.text.strip(), "finish": answer.finish}
        for arm in ARMS
        for question, answer in zip(asked, given[arm], strict=True)
    ]


def requests(model: str, asked: list[dict], told: Callable[[Mapping], str], params: Mapping) -> list[completions.Request]:
    """One chat request for each question: its system prompt, the prompt, and explicit sampling."""
    sampling = {name: params[f"answer.{name}"] for name in ("temperature", "top_p", "max_tokens")}
    return [
        completions.Request(
            number,
            {
                "model": model,
                "messages": [{"role": "system", "content": told(question)}, {"role": "user", "content": question["prompt"]}],
                **sampling,
            },
        )
        for number, question in enumerate(asked)
    ]


def score(base: Path, answers: list[dict], told: Callable[[Mapping], str]) -> tuple[list[dict], dict[str, float]]:
    """The loss of both arms on every held-out chat, and by arm how much likelier its answers are under its own weights.

    From the weights and not through the server: the same numbers as in training, and a second opinion on what was served.
    """
    with environments.scratch("score") as scratch:
        job, out = scratch / "job.json", scratch / "losses.jsonl"
        said = {f"said by {arm}": str(scratch / f"{arm}.jsonl") for arm in ARMS}
        for arm, path in zip(ARMS, said.values(), strict=True):
            write_jsonl(path, sample([answer for answer in answers if answer["arm"] == arm], told))
        write_json(job, {"base": str(base), "adapter": str(ADAPTER), "files": SPLITS | said})
        children.run(
            [environments.python("train"), "-m", "stages.weights.score", str(job), str(out)], environments.silent(), environments.state("logs") / "score.log"
        )
        rows = read_jsonl(out)
    margins = {arm: margin(arm, [row for row in rows if row["split"] == f"said by {arm}"]) for arm in ARMS}
    return [row for row in rows if row["split"] in SPLITS], margins


if __name__ == "__main__":
    run(main)
