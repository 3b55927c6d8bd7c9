"""The hold-out carried out: nothing stands in two splits, and what would is a reject that says why."""

from __future__ import annotations

import random

import pytest

from stages.common.chats import normal
from stages.common.holdout import SPLITS, split_of
from stages.common.schemas import fault
from stages.split.partition import partition, proof
from tests.chats import HOLDOUT, chats_in, make_chat, plain_chat

TRAIN, VALIDATION, TEST = (chats_in(name, 3) for name in SPLITS)
CLEAN = {"shared_chats": 0, "shared_replies": 0, "shared_openings": 0, "synthetic_held_out": 0}


def reply_of(chat: dict) -> str:
    return chat["conversations"][2]["value"]


def opening_of(chat: dict) -> str:
    return chat["conversations"][1]["value"]


def test_chats_that_share_nothing_go_where_the_hold_out_says_in_their_order() -> None:
    chats = [chat for trio in zip(TRAIN, TEST, VALIDATION, strict=True) for chat in trio]
    splits, rejects = partition(chats, **HOLDOUT)
    assert splits == {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    assert rejects == []
    assert proof(splits) == CLEAN


@pytest.mark.parametrize(
    "home, held", [(TRAIN, TEST), (TRAIN, VALIDATION), (VALIDATION, TEST)], ids=["train and test", "train and validation", "validation and test"]
)
def test_of_two_chats_that_share_a_reply_the_one_that_measures_more_stays(home: list[dict], held: list[dict]) -> None:
    leak = make_chat(opening_of(home[0]), f"  {reply_of(held[0]).upper()}! ", "And?", "Another reply of its own.")
    assert split_of(leak, **HOLDOUT) == split_of(home[0], **HOLDOUT) != split_of(held[0], **HOLDOUT)
    splits, rejects = partition([leak, held[0]], **HOLDOUT)
    assert [chat for members in splits.values() for chat in members] == [held[0]]
    there, here = (split_of(chat, **HOLDOUT) for chat in (held[0], leak))
    assert rejects == [
        {"id": leak["id"], "rule": "leak", "found": normal(reply_of(held[0])), "expected": f"nothing of {there} chat {held[0]['id']} in {here}", "chat": leak}
    ]
    assert fault("reject", rejects[0]) is None
    assert proof(splits) == CLEAN


def test_a_synthetic_chat_with_a_test_chats_opening_is_a_reject() -> None:
    copy = make_chat(opening_of(TEST[0]) + " ...", "A reply that nobody else gives.", kind="synthetic")
    splits, rejects = partition([copy, *TRAIN, *TEST], **HOLDOUT)
    assert [(reject["id"], reject["found"]) for reject in rejects] == [(copy["id"], normal(opening_of(TEST[0])))]
    assert splits["train"] == TRAIN and splits["test"] == TEST


def test_another_characters_chat_may_not_carry_a_reply_over_either() -> None:
    number = next(n for n in range(100) if split_of(plain_chat(n, character="watson"), **HOLDOUT) == "train")
    leak = make_chat(f"Question {number}?", reply_of(TEST[0]), character="watson")
    splits, rejects = partition([leak, TEST[0]], **HOLDOUT)
    assert [reject["id"] for reject in rejects] == [leak["id"]]
    assert proof(splits) == CLEAN


def test_chats_of_one_split_may_share_an_opening_and_a_reply() -> None:
    twin = make_chat(opening_of(TRAIN[0]), reply_of(TRAIN[1]))
    splits, rejects = partition([*TRAIN, twin], **HOLDOUT)
    assert (splits["train"], rejects) == ([*TRAIN, twin], [])


def test_a_rejected_chat_does_not_make_others_leaks() -> None:
    """The validation chat goes because of test; what train shares with it alone may stay."""
    gone = make_chat(opening_of(VALIDATION[0]), reply_of(TEST[0]), "And?", "A reply that only these two give.")
    stays = make_chat(opening_of(TRAIN[0]), "A reply that only these two give.")
    splits, rejects = partition([gone, stays, TEST[0]], **HOLDOUT)
    assert [reject["id"] for reject in rejects] == [gone["id"]]
    assert splits["train"] == [stays]
    assert proof(splits) == CLEAN


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_chats_share_nothing_is_lost_and_the_proof_is_zero(seed: int) -> None:
    draw = random.Random(seed)
    chats, seen = [], set()
    for _ in range(120):
        said = [text for turn in range(draw.randint(1, 3)) for text in (f"Question {draw.randint(0, 60)}?", f"Reply {draw.randint(0, 60)}.")]
        chat = make_chat(*said, kind=draw.choice(["gold", "gold", "log", "synthetic"]), character=draw.choice(["adler", "watson"]))
        if chat["id"] not in seen:
            seen.add(chat["id"])
            chats.append(chat)
    splits, rejects = partition(chats, **HOLDOUT)
    assert rejects, "the test needs leaks"
    assert sorted(chat["id"] for group in (*splits.values(), rejects) for chat in group) == sorted(seen)
    assert proof(splits) == CLEAN
    assert all(split_of(chat, **HOLDOUT) == name for name, members in splits.items() for chat in members)


def test_the_proof_counts_what_is_shared_and_does_not_trust_the_partition() -> None:
    twin = make_chat(opening_of(TEST[1]), reply_of(TRAIN[1]))
    written = plain_chat(900, kind="synthetic")
    assert proof({"train": TRAIN, "validation": [TRAIN[0]], "test": [twin, written]}) == {
        "shared_chats": 1,  # the first of train, in validation
        "shared_replies": 2,  # its reply, and the twin's
        "shared_openings": 1,
        "synthetic_held_out": 1,
    }
    assert proof({"train": [], "validation": TEST[1:2], "test": [twin]})["shared_openings"] == 1
