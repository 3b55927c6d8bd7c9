"""Scores the answers and losses of base, prompted and tuned, without a model; writes metrics, plots and a page for people."""

from __future__ import annotations

from stages.common import characters, chats, children
from stages.common.errors import run
from stages.common.files import write_json, write_text
from stages.common.params import load
from stages.evaluate import inputs, page, redteam, scores, series


def main() -> None:
    children.end_with_caller()
    params = load("evaluate")
    settings = scores.Bootstrap(**{name: params[f"evaluate.{name}"] for name in scores.Bootstrap.__dataclass_fields__})
    names = {character: card["name"] for character, card in characters.read_all().items()}
    held_out = chats.read("data/splits/test.jsonl")
    exchanges = inputs.exchanges(inputs.read_answers("data/answers/answers.jsonl"), names)
    nats = inputs.read_losses("data/answers/losses.jsonl")
    test = inputs.losses(nats, "test", expected={chat["id"]: chat["character"] for chat in held_out})
    validation = inputs.losses(nats, "validation")

    gold = scores.gold_replies(held_out)
    figures = scores.score(test, validation, exchanges, gold, settings)
    each = scores.by_character(test, validation, exchanges, gold, settings)
    lengths = series.lengths(exchanges, gold)
    attack = redteam.attack([one for one in inputs.conversations(exchanges) if one[0].set == "redteam"], settings.confidence)

    write_json("metrics/evaluate.json", scores.flat(figures, each))
    write_text("plots/evaluate/lengths.csv", series.lengths_csv(lengths))
    write_text("plots/evaluate/redteam.csv", series.breaks_csv("category", attack.categories))
    write_text("plots/evaluate/redteam_turns.csv", series.breaks_csv("turn", attack.turns))
    write_text("reports/evaluation.html", page.render(figures, each, names, exchanges, lengths, attack, settings))


if __name__ == "__main__":
    run(main)
