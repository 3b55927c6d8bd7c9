"""The model card in the hub's format: what a stranger must know before using the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.curate.data_card import words
from stages.evaluate.gate import Bound
from stages.evaluate.inputs import ARMS
from stages.merge.card import SHOWN
from tools.publish.provenance import Source

MEASURES = {
    "perplexity": "perplexity of the character's words in held-out chats",
    "in_character_rate": "stays in character, ordinary prompts",
    "redteam_break_rate": "breaks character under attack, three turns",
    "mean_words": "words in a reply",
    "voice_delta": "distance from the character's voice (Burrows's Delta, cosine)",
    "world_correct_rate": "facts of the book told",
    "world_invented_rate": "makes up what nobody in the book can know",
    "plain_rate": "plain questions answered exactly",
}


@dataclass(frozen=True)
class Model:
    """What a card tells of."""

    name: str
    """"merged" or "adapter"."""
    characters: Mapping[str, str]
    """Each character's name and system prompt."""
    base: Mapping
    """models/base/manifest.json."""
    params: Mapping
    """params.yaml."""
    sources: Sequence[tuple[Source, int]]
    figures: Mapping[str, float]
    """metrics/evaluate.json."""
    bounds: Sequence[Bound]
    """The gate's."""
    forced: Sequence[Bound]
    """Those that the model fails, and that somebody forced by name."""
    commit: str


def model_card(model: Model) -> str:
    """The card as Markdown with its YAML head. Equal facts give equal bytes."""
    called = [words(name) for name in model.characters]
    names = " and ".join([*filter(None, [", ".join(called[:-1])]), called[-1]])
    parts = [_head(model), f"# {names}", _what(model, names), _use(model), _limits(model), _data(model), _parameters(model), _figures(model), _gate(model)]
    return "\n\n".join(parts) + "\n"


def fenced(text: str) -> str:
    """A text as it is, in a block that no backticks in it can end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _head(model: Model) -> str:
    lines = ["---"]
    if model.base["kind"] == "hub":
        lines.append(f"base_model: {model.base['reference']}")
    lines += [
        f"license: {model.params['base_model_license'].lower()}",
        f"library_name: {'peft' if model.name == 'adapter' else 'transformers'}",
        "pipeline_tag: text-generation",
        "tags: [dramatis, character, role-play, lora]",
        "---",
    ]
    return "\n".join(lines)


def _what(model: Model, names: str) -> str:
    revision = f" at revision `{model.base['revision']}`" if model.base["revision"] else ""
    form = "a LoRA adapter for it" if model.name == "adapter" else "a LoRA adapter merged into it"
    weights = "\n".join(f"- `{name}`: SHA-256 `{entry['sha256']}`" for name, entry in model.base["weights"].items())
    return (
        f"A chat model that speaks as {names}: `{model.base['reference']}`{revision} with {form}, made by Dramatis from commit `{model.commit}`, which has every parameter, hash and figure "
        f"(`params.yaml`, `dvc.lock`, `metrics/`). `SHA256SUMS` lists this folder's files (`sha256sum -c SHA256SUMS`).\n\nThe base's weights:\n\n{weights}"
    )


def _use(model: Model) -> str:
    prompts = "\n\n".join(f"**{words(name)}**\n\n{fenced(prompt)}" for name, prompt in model.characters.items())
    return f"## Use\n\nFor play and for study: conversation with an invented figure. Send the system prompt as the first message; without one the chat template puts in its own.\n\n{prompts}"


def _limits(model: Model) -> str:
    return (
        "## Limits\n\nIt speaks as somebody who never was. What it says of the world is not knowledge, of health, law or money no advice, and it can break character, be wrong, or hurt; "
        "the figures below say how often it did where it was asked. They hold for the prompts, the sampling and the language that were tried, and for nothing else. "
        "Do not let it pass for a person, and do not use it where somebody may rely on it."
    )


def _data(model: Model) -> str:
    rows = "\n".join(f"| {' | '.join(map(words, source))} | {count} |" for source, count in model.sources)
    return (
        f"## Training data and licences\n\n| character | kind | teacher | licence | chats |\n|---|---|---|---|---|\n{rows}\n\n`training_data.jsonl` names each chat by its id and SHA-256. "
        f"The base model's own licence: {model.params['base_model_license']}. Whoever passes this model on is bound by all of them."
    )


def _parameters(model: Model) -> str:
    shown = {name: model.params[name] for name in ("adapter", *SHOWN)} | {"lora_alpha": model.params["lora_alpha"] or 2 * model.params["lora_r"]}
    return "## Parameters\n\n" + "\n".join(f"- `{name}`: {value}" for name, value in shown.items())


def _figures(model: Model) -> str:
    rows = []
    for measure, told in MEASURES.items():
        cells = [_cell(model.figures, f"{arm}.{measure}") for arm in ARMS]
        if any(cells):
            rows.append(f"| {told} | {' | '.join(cells)} |")
    counts = ", ".join(
        f"{int(model.figures[name])} {told}"
        for name, told in (("test.chats", "held-out chats"), ("evaluation.prompts", "prompts"), ("redteam.conversations", "red-team conversations"))
    )
    sure = f"{100 * model.params['evaluate']['confidence']:g} %"
    return (
        f"## Evaluation\n\n*base* is the base model without a system prompt, *prompted* has the character's, *tuned* is this model with the same. In brackets: {sure} intervals. {counts}.\n\n"
        "| | base | prompted | tuned |\n|---|---|---|---|\n" + "\n".join(rows)
    )


def _cell(figures: Mapping[str, float], name: str) -> str:
    if name not in figures:
        return ""
    value, share = figures[name], name.endswith("_rate")

    def show(number: float) -> str:
        return f"{100 * number:.0f} %" if share else f"{number:.2f}" if abs(number) < 10 else f"{number:.1f}"

    ends = [figures.get(f"{name}_{end}") for end in ("lower", "upper")]
    return show(value) + (f" ({show(ends[0])} to {show(ends[1])})" if None not in ends else "")


def _gate(model: Model) -> str:
    forced = {bound.metric for bound in model.forced}
    rows = "\n".join(
        f"- {'kept' if bound.passed else 'NOT KEPT, and forced by name' if bound.metric in forced else 'NOT KEPT'}: {bound.told}" for bound in model.bounds
    )
    return f"## Gate\n\n{rows or 'No bounds were set.'}"
