"""Writes train, validation and test as the hold-out gives them, and proves that nothing stands in two of them."""

from __future__ import annotations

from stages.common import chats, children
from stages.common.errors import UserError, run
from stages.common.files import write_json, write_jsonl
from stages.common.params import load
from stages.split.partition import partition, proof


def main() -> None:
    children.end_with_caller()
    params = load("split")
    filtered = chats.read("data/filtered/chats.jsonl")
    splits, rejects = partition(filtered, params["holdout.seed"], params["holdout.validation"], params["holdout.test"])
    figures = proof(splits)
    if any(figures.values()):
        raise UserError(f"the splits leak: {figures}")
    if empty := [name for name, members in splits.items() if not members]:
        raise UserError(f"no chat falls to {', '.join(empty)} of {len(filtered)}: more gold chats, or other holdout.* shares in params.yaml")
    for name, members in splits.items():
        write_jsonl(f"data/splits/{name}.jsonl", members)
    write_jsonl("data/splits/rejects.jsonl", rejects)
    write_json(
        "metrics/split.json",
        {
            "in": len(filtered),
            **{name: len(members) for name, members in splits.items()},
            "train_synthetic": sum(chat["source"]["kind"] == "synthetic" for chat in splits["train"]),
            "rejected": len(rejects),
            **figures,
        },
    )


if __name__ == "__main__":
    run(main)
