"""Drops chats by rule; every drop is a line in rejects.jsonl with rule, figure and threshold, and kept + dropped = in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

import orjson
from tqdm import tqdm

from stages.common import characters, children, rows
from stages.common.errors import UserError, run
from stages.common.files import adder, document, new_files, to_json
from stages.common.params import load
from stages.filter.balance import Row, capped, steered
from stages.filter.duplicates import duplicates
from stages.filter.findings import findings
from stages.filter.language import known_languages, unknown_languages
from stages.filter.page import page
from stages.filter.rules import RULES
from stages.filter.survey import KINDS, SPLITS, Survey, Terms, joined, survey
from stages.filter.talk import Drop, Limits, Role

INCOMING = ("data/curated/chats.jsonl", "data/synthetic/chats.jsonl")
KEPT, REJECTS, REPORT, METRICS = "data/filtered/chats.jsonl", "data/filtered/rejects.jsonl", "reports/filter.html", "metrics/filter.json"


def main() -> None:
    children.end_with_caller()
    params = load("filter")
    parts = [piece for path in INCOMING for piece in rows.pieces(path)]
    looked = rows.over(parts, partial(survey, terms=terms(params), near=params["filter.near_duplicate"]))
    if not parts:
        raise UserError(f"no chat in {' and '.join(INCOMING)}; run dvc repro, or see curate.sources in params.yaml")
    found = joined(list(tqdm(looked, "filter", len(parts), unit=" pieces", delay=3)))
    drops = found.drops | duplicates(found, params["filter.near_duplicate"])
    drops |= balanced(found, drops, params)
    if len(drops) == len(found):
        rules = ", ".join(f"{rule} {count}" for rule, count in Counter(drop.rule for drop in drops.values()).most_common())
        raise UserError(f"filter would drop all {len(found)} chats: {rules}; loosen filter.* in params.yaml, or look at what comes in")
    with lines_of(found) as line, new_files(KEPT, REJECTS, REPORT, METRICS) as (kept, rejects, report, metrics):
        write(found, drops, line, adder(kept), adder(rejects))
        report.write(page(findings(found, drops, lambda number: orjson.loads(line(number)))).encode())
        metrics.write(document(counts(found, drops)))
    for name in without_chats(found, drops):
        print(f"filter: every chat of {name} was dropped; {REJECTS} says why")


def terms(params: Mapping) -> Terms:
    """What chats are judged by. Raises UserError where filter.off names no rule."""
    off = frozenset(params["filter.off"])
    if unknown := sorted(off - set(RULES)):
        raise UserError(f"params.yaml: filter.off names {', '.join(unknown)}; the rules are {', '.join(RULES)}")
    if unknown := unknown_languages(params["filter.languages"] or ()):
        raise UserError(f"params.yaml: filter.languages names {', '.join(unknown)}; known are {', '.join(sorted(known_languages()))}")
    limits = Limits(**{name: params[f"filter.{name}"] for name in Limits.__dataclass_fields__})
    holdout = params["holdout.seed"], params["holdout.validation"], params["holdout.test"]
    roles = {name: role(card) for name, card in characters.read_all().items()}
    return Terms(roles, limits, off, holdout, ("models/base", params["sequence_len"]))


def role(card: Mapping) -> Role:
    """What the rules know of a character."""
    known = card.get("extensions", {}).get("dramatis", {})
    return Role(card["name"], known.get("year"), tuple(known.get("catch_phrases", ())))


def balanced(found: Survey, drops: Mapping[int, Drop], params: Mapping) -> dict[int, Drop]:
    """Drops of training chats that would drown the others."""
    caps = {
        "scenario": params["filter.max_per_scenario"],
        "character": params["filter.max_per_character"],
        "source": params["filter.max_per_source"],
    }
    if params["filter.length_target"] is None and not any(caps.values()):
        return {}
    training = {number: row(found, number) for number in range(len(found)) if number not in drops and SPLITS[found.split[number]] == "train"}
    new = {}
    if params["filter.length_target"] == "gold":
        gold = [one.words for one in training.values() if one.kind == "gold"]
        new = steered({number: one for number, one in training.items() if one.kind == "synthetic"}, gold, params["filter.seed"])
    return new | capped({number: one for number, one in training.items() if number not in new}, caps, params["filter.seed"])


def row(found: Survey, number: int) -> Row:
    """A chat as balance looks at it."""
    kind = int(found.kind[number])
    mean = found.words[number] / found.replies[number]
    return Row(found.ids[number], KINDS[kind], kind, found.characters[number], found.scenarios[number], float(mean))


def write(found: Survey, drops: Mapping[int, Drop], line: Callable[[int], bytes], keep: Callable[[bytes], None], reject: Callable[[bytes], None]) -> None:
    """Hand on the lines of the kept chats as they came, and those of the dropped with the reason, in the order in which they came."""
    for number in range(len(found)):
        if drop := drops.get(number):
            reject(to_json({"id": found.ids[number], **vars(drop)})[:-1] + b', "chat": ' + line(number) + b"}")
        else:
            keep(line(number))


def without_chats(found: Survey, drops: Mapping[int, Drop]) -> list[str]:
    """The characters of whom nothing is left."""
    return sorted(set(found.characters) - {name for number, name in enumerate(found.characters) if number not in drops})


@contextmanager
def lines_of(found: Survey) -> Iterator[Callable[[int], bytes]]:
    """Yield a function that gives the line of a chat by its number."""
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, "rb")) for path in found.paths]

        def line(number: int) -> bytes:
            if number in found.cut:
                return found.cut[number]
            file, start = files[found.path[number]], int(found.start[number])
            file.seek(start)
            return file.read(int(found.end[number]) - start).strip()

        yield line


def counts(found: Survey, drops: Mapping[int, Drop]) -> dict[str, int]:
    """Chats in = kept + dropped, the dropped by family of rule."""
    by_family = Counter(drop.rule.partition(".")[0] for drop in drops.values())
    synthetic = set((found.kind == KINDS.index("synthetic")).nonzero()[0].tolist())
    return {
        "in": len(found),
        "kept": len(found) - len(drops),
        "dropped": len(drops),
        "cut": len(set(found.cut) - set(drops)),
        **{f"dropped_{family}": count for family, count in sorted(by_family.items())},
        "synthetic_in": len(synthetic),
        "synthetic_kept": len(synthetic - set(drops)),
    }


if __name__ == "__main__":
    run(main)
