"""Scores the answers and losses of base, prompted and tuned, without a model but evaluate.judge's, where there is one; writes metrics, plots and a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.common import characters, chats, children, plain_questions, world_questions
from stages.common.errors import run
from stages.common.files import document, new_files, write_jsonl
from stages.common.params import load
from stages.evaluate import (
    ability,
    by_source,
    gate,
    inputs,
    judge_endpoint,
    judged,
    judging,
    lm_tasks,
    manner,
    page,
    people,
    ratings,
    redteam,
    sampling,
    scores,
    series,
    talks,
    world,
)
from stages.evaluate.inputs import Exchange


def main() -> None:
    children.end_with_caller()
    params = load("evaluate")
    settings = scores.Bootstrap(**{name: params[f"evaluate.{name}"] for name in scores.Bootstrap.__dataclass_fields__})
    cards = characters.read_all()
    names = {character: card["name"] for character, card in cards.items()}
    held_out = chats.read("data/splits/test.jsonl")
    answered = inputs.exchanges(inputs.read_answers("data/answers/answers.jsonl"), names)
    later = inputs.read_samples("data/answers/samples.jsonl", answered, names)
    questions = world_questions.read("data/prompts/world.jsonl", cards)
    exchanges, of_world = apart(answered, questions)
    talked = talks.talks(inputs.read_talks("data/answers/talks.jsonl"), names)
    asked_plainly = plain_questions.read()
    plain = inputs.read_plain("data/answers/plain.jsonl", asked_plainly)
    nats = inputs.read_losses("data/answers/losses.jsonl")
    test = inputs.losses(nats, "test", expected={chat["id"]: chat["character"] for chat in held_out})
    validation, training = inputs.losses(nats, "validation"), inputs.read_training("metrics/train.json")
    model, ordinary = params["evaluate.judge.model"], [one for one in inputs.conversations(exchanges) if one[0].set == "evaluation"]
    said = judge_endpoint.judge(judging.questions(ordinary) if model else [], cards, params)
    judge_endpoint.keep(said.answers)  # whatever comes: they are paid for
    write_jsonl("data/judged/judgments.jsonl", [judgment.record for judgment in said.judgments])
    opinion = judged.opinion(ordinary, said.judgments)

    others = inputs.read_gold("data/gold", set(cards) - set(test.characters))
    gold, lines = scores.gold_replies(held_out), manner.lines(held_out, chats.read("data/splits/train.jsonl"), others)
    each = {name: dict(own) for name, own in scores.by_character(test, validation, exchanges, gold, settings).items()}

    def measured(exchanges: Sequence[Exchange], of_world: Sequence[world.Row]) -> tuple[scores.Scores, manner.Manner]:
        said = manner.manner(exchanges, lines, settings)
        return scores.score(test, validation, exchanges, gold, settings) | said.figures | world.score(of_world, settings.confidence), said

    whole, manners = measured(exchanges, of_world)
    samples = [whole, *(measured(*apart(own, questions))[0] for own in later)]
    figures = whole | sampling.figures(samples)
    figures |= talks.figures(talked, settings)
    figures |= ability.figures(plain, [question["answers"] for question in asked_plainly], settings.confidence)
    kinds = {chat["id"]: chat["source"]["kind"] for chat in held_out}
    figures |= by_source.figures(test, kinds, settings)
    figures |= lm_tasks.figures(lm_tasks.read("data/answers/lm_eval.jsonl"), settings.confidence)
    alone = manner.by_character(exchanges, lines, settings, each), world.by_character(of_world, settings.confidence), talks.by_character(talked, settings, each)
    for own in alone:
        for name, found in own.items():
            each[name] |= found
    for name in each:
        each[name] |= by_source.figures(test.of(name), kinds, settings)
    content, rated = Path("data/answers/answers.jsonl").read_bytes(), ratings.read("data/ratings")
    comparison = people.compare(exchanges, content, rated, params["evaluate.ab.arms"], params["evaluate.ab.prompts"], settings)
    figures |= comparison.preferences.figures
    for name, found in comparison.by_character.items():
        each[name] |= found
    if model:
        figures |= judged.figures(opinion, settings) | judged.counts(opinion) | said.costs
        for name, own in each.items():
            own |= judged.figures(opinion.of(name), settings)
    lengths = series.lengths(exchanges, gold)
    attack = redteam.attack([one for one in inputs.conversations(exchanges) if one[0].set == "redteam"], settings.confidence)
    metrics = scores.flat(figures, each)
    bounds = gate.judge(params["evaluate.gate"], metrics)

    judgement = (model, opinion) if model else None
    rendered = page.render(
        figures,
        each,
        names,
        exchanges,
        lengths,
        attack,
        manners.copies,
        of_world,
        talked,
        comparison.preferences,
        judgement,
        bounds,
        training,
        samples,
        settings,
    )
    write_together(
        {
            "metrics/evaluate.json": document(metrics),
            "metrics/gate.json": document(gate.flat(bounds)),
            "plots/evaluate/arms.csv": series.arms_csv(figures, each).encode(),
            "plots/evaluate/lengths.csv": series.lengths_csv(lengths).encode(),
            "plots/evaluate/redteam.csv": series.breaks_csv("category", attack.categories).encode(),
            "plots/evaluate/redteam_turns.csv": series.breaks_csv("turn", attack.turns).encode(),
            "plots/evaluate/talks.csv": series.talks_csv(talks.by_turn(talked, settings.confidence)).encode(),
            "plots/evaluate/world.csv": series.world_csv(figures).encode(),
            "reports/evaluation.html": rendered.encode(),
            "reports/ab.html": comparison.page.encode(),
            "reports/ab-key.json": document(comparison.key),
        }
    )


def write_together(contents: Mapping[str, bytes]) -> None:
    """All files or none: figures of one run beside a page of another would be believed."""
    with new_files(*contents) as files:
        for file, content in zip(files, contents.values(), strict=True):
            file.write(content)


def apart(answered: Sequence[Exchange], questions: Sequence[dict]) -> tuple[list[Exchange], list[world.Row]]:
    """The exchanges of the sets that everybody is led into, and the rows of those about the world, given its questions."""
    of_world = world.rows([exchange for exchange in answered if exchange.set == inputs.WORLD], questions)
    return [exchange for exchange in answered if exchange.set != inputs.WORLD], of_world


if __name__ == "__main__":
    run(main)
