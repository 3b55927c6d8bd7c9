"""Drops chats by rule; every drop is a line in rejects.jsonl with rule, figure and threshold, and kept + dropped = in."""

from __future__ import annotations

from collections import Counter

from stages.common import characters, chats, children
from stages.common.errors import UserError, run
from stages.common.files import write_json, write_jsonl
from stages.common.params import load
from stages.filter.rules import Drop, Limits, duplicates, judge


def main() -> None:
    children.end_with_caller()
    params = load("filter")
    limits = Limits(**{name: params[f"filter.{name}"] for name in Limits.__dataclass_fields__})
    names = {character: card["name"] for character, card in characters.read_all().items()}
    incoming = chats.read("data/curated/chats.jsonl") + chats.read("data/synthetic/chats.jsonl")
    if strangers := {chat["character"] for chat in incoming} - set(names):
        raise UserError(f"no character card for {', '.join(sorted(strangers))}; cards: {', '.join(names)}")
    drops = {chat["id"]: drop for chat in incoming if (drop := judge(chat, names[chat["character"]], limits))}
    for dropped, kept in duplicates([chat for chat in incoming if chat["id"] not in drops]).items():
        drops[dropped] = Drop("duplicate.exact", kept, "each chat once")
    remaining = [chat for chat in incoming if chat["id"] not in drops]
    if not remaining:
        raise UserError(f"filter dropped all {len(incoming)} chats; see data/filtered/rejects.jsonl of the last good run, or loosen filter.* in params.yaml")
    write_jsonl("data/filtered/chats.jsonl", remaining)
    write_jsonl("data/filtered/rejects.jsonl", [{"id": c["id"], **vars(drops[c["id"]]), "chat": c} for c in incoming if c["id"] in drops])
    by_family = Counter(drop.rule.partition(".")[0] for drop in drops.values())
    families = ("length", "assistant_speech", "character_break", "repetition", "critique", "duplicate")
    counts = {f"dropped_{family}": by_family[family] for family in families}
    synthetic = [chat["id"] for chat in incoming if chat["source"]["kind"] == "synthetic"]
    write_json(
        "metrics/filter.json",
        {
            "in": len(incoming),
            "kept": len(remaining),
            "dropped": len(drops),
            **counts,
            "synthetic_in": len(synthetic),
            "synthetic_kept": sum(chat not in drops for chat in synthetic),
        },
    )


if __name__ == "__main__":
    run(main)
