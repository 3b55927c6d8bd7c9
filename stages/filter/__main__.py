"""Drops chats by rule; every drop is a line in rejects.jsonl with rule, figure and threshold, and kept + dropped = in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from stages.common import characters, chats, children
from stages.common.errors import UserError, run
from stages.common.files import write_json, write_jsonl
from stages.common.params import load
from stages.filter.duplicates import duplicates
from stages.filter.rules import RULES, judge
from stages.filter.talk import Drop, Limits, Role, Talk


def main() -> None:
    children.end_with_caller()
    params = load("filter")
    limits, off = Limits(**{name: params[f"filter.{name}"] for name in Limits.__dataclass_fields__}), left_out(params)
    roles = {character: role(card) for character, card in characters.read_all().items()}
    incoming = chats.read("data/curated/chats.jsonl") + chats.read("data/synthetic/chats.jsonl")
    if strangers := {chat["character"] for chat in incoming} - set(roles):
        raise UserError(f"no character card for {', '.join(sorted(strangers))}; cards: {', '.join(roles)}")
    drops = {chat["id"]: drop for chat in incoming if (drop := judge(Talk(chat, roles[chat["character"]]), limits, off))}
    for dropped, kept in duplicates([chat for chat in incoming if chat["id"] not in drops]).items():
        drops[dropped] = Drop("duplicate.exact", kept, "each chat once")
    remaining = [chat for chat in incoming if chat["id"] not in drops]
    if not remaining:
        raise UserError(f"filter dropped all {len(incoming)} chats; see data/filtered/rejects.jsonl of the last good run, or loosen filter.* in params.yaml")
    write_jsonl("data/filtered/chats.jsonl", remaining)
    write_jsonl("data/filtered/rejects.jsonl", [{"id": c["id"], **vars(drops[c["id"]]), "chat": c} for c in incoming if c["id"] in drops])
    write_json("metrics/filter.json", counts(incoming, drops))


def left_out(params: Mapping) -> frozenset[str]:
    """The rules that filter.off names. Raises UserError where there is no such rule."""
    off = frozenset(params["filter.off"])
    if unknown := sorted(off - set(RULES)):
        raise UserError(f"params.yaml: filter.off names {', '.join(unknown)}; the rules are {', '.join(RULES)}")
    return off


def role(card: Mapping) -> Role:
    """What the rules know of a character."""
    known = card.get("extensions", {}).get("dramatis", {})
    return Role(card["name"], known.get("year"), tuple(known.get("catch_phrases", ())))


def counts(incoming: list[dict], drops: Mapping[str, Drop]) -> dict[str, int]:
    """Chats in = kept + dropped, the dropped by family of rule."""
    by_family = Counter(drop.rule.partition(".")[0] for drop in drops.values())
    synthetic = [chat["id"] for chat in incoming if chat["source"]["kind"] == "synthetic"]
    return {
        "in": len(incoming),
        "kept": len(incoming) - len(drops),
        "dropped": len(drops),
        **{f"dropped_{family}": count for family, count in sorted(by_family.items())},
        "synthetic_in": len(synthetic),
        "synthetic_kept": sum(chat not in drops for chat in synthetic),
    }


if __name__ == "__main__":
    run(main)
