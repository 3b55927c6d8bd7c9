"""Reads cards and chats of every format, and writes chats with an id, a source and the card's system prompt, and rejects with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tqdm import tqdm

from stages.common import characters, children, forgetting
from stages.common.errors import UserError, printable, run
from stages.common.files import adder, document, new_files
from stages.common.params import load
from stages.common.schemas import fault
from stages.curate import consent
from stages.curate.admission import Door, Rules
from stages.curate.data_card import data_card
from stages.curate.faults import Fault
from stages.curate.formats import Told, told
from stages.curate.records import Record, read
from stages.curate.seen import seen
from stages.curate.sources import Source, sources, used
from stages.curate.unpacking import unpacked

WRITTEN = ("data/curated/chats.jsonl", "data/curated/rejects.jsonl", "data/curated/README.md", "metrics/curate.json")


def main() -> None:
    children.end_with_caller()
    params = load("curate")
    known = characters.read_all()
    cards = chosen(known, params["characters"])
    consented = consent.read(params["curate.consent"]) if params["curate.consent"] else frozenset()
    rules = Rules(params["curate.user"], params["curate.quotes"], params["curate.licenses_allowed"], consented, forgetting.read())
    doors = {name: Door(name, card, rules) for name, card in cards.items()}
    listed = params["curate.sources"]
    files = list(sources(listed, known, set(cards), used(listed, params["curate.use"])))
    kept, rejected, mended, first = Counter(), Counter(), Counter(), None
    with new_files(*WRITTEN) as (chats, rejects, readme, figures), seen() as places:
        keep, leave = adder(chats), adder(rejects)
        for source in files:
            for line, one in tqdm(chats_of(source), desc=str(source.path), unit=" chats", delay=3):
                try:
                    if isinstance(one, Fault):
                        raise one
                    chat, counts = doors[source.character].admit(one, source, line)
                    if before := places.before(chat["id"], f"{source.path}:{line}"):
                        raise Fault("repeated", f"the chat of {before}", "each chat once")
                except Fault as error:
                    record = error.at(str(source.path), line)
                    leave(record)
                    rejected[error.rule] += 1
                    first = first or record
                else:
                    keep(chat)
                    kept[source.path, source.character, source.kind, chat["source"]["license"], source.language] += 1
                    mended += counts
        if not kept:
            reason = told_of(first) if first else f"nothing in {', '.join(str(source.path) for source in files)}"
            raise UserError(f"no chat is left of {rejected.total()}; the first reason: {reason}")
        readme.write(data_card(kept, rejected, {name: card["name"] for name, card in cards.items()}).encode())
        figures.write(document(metrics(kept, rejected, mended)))
    if first:
        lines = kept.total() + rejected.total()
        print(printable(f"curate: {rejected.total()} of {lines} rejected, first {told_of(first)}"))


def told_of(reject: Mapping) -> str:
    """A reject in one sentence."""
    return f"{reject['file']}:{reject['line']}: {reject['rule']}: {reject['found']}; expected {reject['expected']}"


def chosen(cards: Mapping[str, dict], names: list[str] | None) -> dict[str, dict]:
    """The cards of those who take part, all where `names` is None. Raises UserError for a name without a card."""
    if missing := sorted(set(names or []) - set(cards)):
        raise UserError(f"params.yaml: characters names {', '.join(missing)}, without a card in {characters.FOLDER}; cards: {', '.join(cards)}")
    return {name: card for name, card in cards.items() if names is None or name in names}


def chats_of(source: Source) -> Iterator[tuple[int, Told | Fault]]:
    """The chats of a file. Raises UserError where it cannot be read, which is no fault of a chat."""
    records = read(unpacked(source.path))
    try:
        yield from told(by_hand(records) if source.kind == "gold" else records)
    except OSError as error:
        raise UserError(f"{source.path}: cannot be read: {error.strerror}") from None


def by_hand(records: Iterator[Record]) -> Iterator[Record]:
    """Records of a gold file: what somebody types must fit the schema to the letter, or a slip would be lost in silence."""
    for record in records:
        if isinstance(record.value, dict) and "conversations" in record.value and (problem := fault("gold", record.value)):
            record = Record(record.line, Fault("schema", problem, "schemas/gold.schema.json"))
        yield record


def metrics(kept: Counter, rejected: Counter[str], mended: Counter[str]) -> dict[str, int]:
    """Chats in = kept + rejected, each of the two in parts; then what was mended in the kept."""
    by_character, by_kind = Counter(), Counter()
    for (_, character, kind, _, _), count in kept.items():
        by_character[character] += count
        by_kind[kind] += count
    return {
        "lines": kept.total() + rejected.total(),
        "kept": kept.total(),
        "rejected": rejected.total(),
        "characters": len(by_character),
        **{f"kept_{name}": count for name, count in sorted([*by_character.items(), *by_kind.items()])},
        **{f"rejected_{rule}": count for rule, count in sorted(rejected.items())},
        **dict(sorted(mended.items())),
    }


if __name__ == "__main__":
    run(main)
