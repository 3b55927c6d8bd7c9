"""Scores the answers and losses of base, prompted and tuned, without a model; writes metrics, plots and a page for people."""

from __future__ import annotations

from stages.common import characters, chats, children, plain_questions, world_questions
from stages.common.errors import run
from stages.common.files import write_json, write_text
from stages.common.params import load
from stages.evaluate import ability, inputs, manner, page, redteam, scores, series, talks, world


def main() -> None:
    children.end_with_caller()
    params = load("evaluate")
    settings = scores.Bootstrap(**{name: params[f"evaluate.{name}"] for name in scores.Bootstrap.__dataclass_fields__})
    cards = characters.read_all()
    names = {character: card["name"] for character, card in cards.items()}
    held_out = chats.read("data/splits/test.jsonl")
    answered = inputs.exchanges(inputs.read_answers("data/answers/answers.jsonl"), names)
    exchanges = [exchange for exchange in answered if exchange.set != inputs.WORLD]
    of_world = world.rows([exchange for exchange in answered if exchange.set == inputs.WORLD], world_questions.read("data/prompts/world.jsonl", cards))
    talked = talks.talks(inputs.read_talks("data/answers/talks.jsonl"), names)
    asked_plainly = plain_questions.read()
    plain = inputs.read_plain("data/answers/plain.jsonl", asked_plainly)
    nats = inputs.read_losses("data/answers/losses.jsonl")
    test = inputs.losses(nats, "test", expected={chat["id"]: chat["character"] for chat in held_out})
    validation = inputs.losses(nats, "validation")

    others = inputs.read_gold("data/gold", set(cards) - set(test.characters))
    gold, lines = scores.gold_replies(held_out), manner.lines(held_out, chats.read("data/splits/train.jsonl"), others)
    figures = dict(scores.score(test, validation, exchanges, gold, settings))
    each = {name: dict(own) for name, own in scores.by_character(test, validation, exchanges, gold, settings).items()}
    manners = manner.manner(exchanges, lines, settings)
    figures |= manners.figures | world.score(of_world, settings.confidence)
    figures |= talks.figures(talked, settings)
    figures |= ability.figures(plain, [question["answers"] for question in asked_plainly], settings.confidence)
    alone = manner.by_character(exchanges, lines, settings, each), world.by_character(of_world, settings.confidence), talks.by_character(talked, settings, each)
    for own in alone:
        for name, found in own.items():
            each[name] |= found
    lengths = series.lengths(exchanges, gold)
    attack = redteam.attack([one for one in inputs.conversations(exchanges) if one[0].set == "redteam"], settings.confidence)

    write_json("metrics/evaluate.json", scores.flat(figures, each))
    write_text("plots/evaluate/lengths.csv", series.lengths_csv(lengths))
    write_text("plots/evaluate/redteam.csv", series.breaks_csv("category", attack.categories))
    write_text("plots/evaluate/redteam_turns.csv", series.breaks_csv("turn", attack.turns))
    write_text("plots/evaluate/talks.csv", series.talks_csv(talks.by_turn(talked, settings.confidence)))
    write_text("plots/evaluate/world.csv", series.world_csv(figures))
    write_text("reports/evaluation.html", page.render(figures, each, names, exchanges, lengths, attack, manners.copies, of_world, talked, settings))


if __name__ == "__main__":
    run(main)
