"""Reads cards and gold chats, checks every line, and writes chats with an id, a source and the card's system prompt, and rejects with a reason."""

from __future__ import annotations

from pathlib import Path

from stages.common import characters, children
from stages.common.errors import UserError, run
from stages.common.files import read_lines, write_json, write_jsonl
from stages.common.params import load
from stages.curate.gold import reject, to_chat

GOLD = Path("data/gold")


def main() -> None:
    children.end_with_caller()
    params = load("curate")
    cards = characters.read_all()
    kept, rejects, lines, seen = [], [], 0, {}
    for path in sorted(GOLD.glob("*.jsonl")):
        if path.stem not in cards:
            raise UserError(f"{path}: no character card {characters.FOLDER / path.stem}.json; cards: {', '.join(cards)}")
        for line, value in read_lines(path):
            lines += 1
            chat, dropped = to_chat(value, path.stem, cards[path.stem], params["curate.user"], params["curate.gold_license"], str(path), line)
            if chat and chat["id"] in seen:
                chat, dropped = None, reject(str(path), line, "repeated", f"the chat of {seen[chat['id']]}", "each chat once")
            if chat:
                seen[chat["id"]] = f"{path}:{line}"
                kept.append(chat)
            else:
                rejects.append(dropped)
    if not kept:
        raise UserError(f"{GOLD}: no chat is left of {lines} lines; the first reason: {rejects[0] if rejects else 'no *.jsonl file'}")
    write_jsonl("data/curated/chats.jsonl", kept)
    write_jsonl("data/curated/rejects.jsonl", rejects)
    write_json("metrics/curate.json", {"lines": lines, "kept": len(kept), "rejected": len(rejects), "characters": len({c["character"] for c in kept})})
    if rejects:
        first = rejects[0]
        print(f"curate: {len(rejects)} of {lines} lines rejected, first {first['file']}:{first['line']}: {first['rule']}: {first['found']}")


if __name__ == "__main__":
    run(main)
