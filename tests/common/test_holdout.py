"""The hold-out depends on nothing but the chat itself."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from stages.common.holdout import SPLITS, group, split_of
from tests.chats import HOLDOUT, make_chat, plain_chat
from tests.project import ROOT

MANY = [plain_chat(number) for number in range(5000)]


def given(chats: list[dict], **other: float) -> list[str]:
    return [split_of(chat, **{**HOLDOUT, **other}) for chat in chats]


def test_chats_get_the_split_that_they_got_in_every_earlier_version() -> None:
    """Another answer here is another test set: figures of earlier runs could not be compared."""
    assert "".join(name[1] for name in given(MANY[:60])) == KNOWN


# The second letter of t(r)ain, v(a)lidation, t(e)st.
KNOWN = "rrrrrerrrrerrrrararererrrrrrrrrrrerrrrrrrrrrrrrrrrerreraaerr"


def test_the_shares_are_near_the_parameters() -> None:
    counts = Counter(given(MANY))
    assert counts["test"] / 5000 == pytest.approx(0.2, abs=0.02)
    assert counts["validation"] / 5000 == pytest.approx(0.1, abs=0.02)
    assert counts.total() == 5000 and set(counts) == set(SPLITS)


def test_other_chats_beside_it_never_move_a_chat() -> None:
    """Added, taken away, shuffled: each chat is asked alone, and asked again it says the same."""
    before = {chat["id"]: split for chat, split in zip(MANY, given(MANY), strict=True)}
    some = random.Random(1).sample(MANY, 500)
    assert given(some) == [before[chat["id"]] for chat in some]


def test_the_chat_is_not_changed_by_the_question() -> None:
    chat = plain_chat(1)
    before = json.dumps(chat)
    split_of(chat, **HOLDOUT)
    assert json.dumps(chat) == before


def test_chats_with_the_same_opening_go_to_the_same_split() -> None:
    for number in range(200):
        first = make_chat(f"Who was number {number}?", "The verger.")
        second = make_chat(f"  who was NUMBER {number} \u2014 ?!", "I do not know.", "And then?", "Nothing.")
        assert group(first) == group(second)
        assert given([first]) == given([second])


def test_position_file_and_system_prompt_say_nothing() -> None:
    for number in range(200):
        elsewhere = plain_chat(number, file="data/gold/other.jsonl", line=number + 7)
        elsewhere["conversations"][0]["value"] = "You are somebody else."
        assert given([elsewhere]) == given([plain_chat(number)])


def test_synthetic_chats_always_go_to_train() -> None:
    assert set(given([plain_chat(number, kind="synthetic") for number in range(300)], test=0.4, validation=0.4)) == {"train"}


@pytest.mark.parametrize("kind", ["gold", "log", "import", "book"])
def test_every_other_source_is_held_out_in_the_same_shares(kind: str) -> None:
    counts = Counter(given([plain_chat(number, kind=kind) for number in range(2000)]))
    assert counts["test"] / 2000 == pytest.approx(0.2, abs=0.03)
    assert counts["validation"] / 2000 == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("other", [{"character": "irene-adler"}, {"kind": "log"}])
def test_each_character_and_source_is_drawn_on_its_own(other: dict) -> None:
    here, there = given(MANY[:2000]), given([plain_chat(number, **other) for number in range(2000)])
    both = sum(a == b == "test" for a, b in zip(here, there, strict=True))
    assert both / 2000 == pytest.approx(0.04, abs=0.015)  # 0.2 x 0.2


def test_another_seed_is_another_test_set() -> None:
    both = sum(a == b == "test" for a, b in zip(given(MANY), given(MANY, seed=1896), strict=True))
    assert both / 5000 == pytest.approx(0.04, abs=0.01)


def test_a_larger_test_share_keeps_every_chat_of_the_smaller_one() -> None:
    small, large = given(MANY, test=0.1), given(MANY, test=0.3)
    assert all(b == "test" for a, b in zip(small, large, strict=True) if a == "test")
    assert 0.28 < large.count("test") / 5000 < 0.32


def test_the_seed_of_pythons_own_hashes_does_not_matter() -> None:
    code = "from tests.chats import *; print(*(split_of(plain_chat(n), **HOLDOUT) for n in range(300)))"
    said = {
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("0", "1", "4242")
    }
    assert said == {" ".join(given(MANY[:300])) + "\n"}


def test_what_curate_knows_as_a_group_goes_to_one_split_whatever_it_opens_with() -> None:
    for number in range(200):
        members = [make_chat(f"Question {number}, {place}?", "The verger.", kind="log", group=f"{number:016x}") for place in range(4)]
        assert len(set(given(members))) == 1
    counts = Counter(given([make_chat("Good evening!", "The verger.", kind="log", group=f"{number:016x}") for number in range(2000)]))
    assert counts["test"] / 2000 == pytest.approx(0.2, abs=0.03)


def test_a_replayed_chat_is_always_trains() -> None:
    assert set(given([plain_chat(number, kind="replay") for number in range(300)], test=0.4, validation=0.4)) == {"train"}


# t(r)ain, v(a)lidation, t(e)st of the chats of data/gold, line by line, as every run on record had them. Chats that come behind them do not matter.
GOLD = {
    "elizabeth-bennet": "rrrrereerraerrreeaarrrrrrrrrrrrrrererrrrrrrrrrrerrereererrrrrerreerareeerraerrrrrrarreerrr",
    "john-silver": "errrerrrrerrrreerarrrrarerarerrerrrrrrrrrerrarrrarerrerrrrrrerrrrrrrrearrearrrarrarrrrrrre",
    "sherlock-holmes": "rearrrerrrrarrrererrerrreraraerrrerarreraereearrrearerrarrrerarrrrrarrerrrrrrrrrrrrrrearrrrrrrerarrrrrrrrrrrreraerrrrrrrerrarrarrreeerrrrrrrrrearrrererarerrerrrrrerrerrrer",
}


@pytest.mark.parametrize("name", GOLD)
def test_the_gold_falls_where_it_fell(name: str) -> None:
    lines = (ROOT / f"data/gold/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    chats = [{"character": name, "source": {"kind": "gold"}, "conversations": json.loads(line)["conversations"]} for line in lines]
    assert "".join(split[1] for split in given(chats[: len(GOLD[name])])) == GOLD[name]
