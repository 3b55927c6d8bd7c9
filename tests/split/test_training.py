"""What is trained on: limits that are nested, replayed chats in their share, and nothing that moves when chats come."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.common.chats import normal, opening
from stages.common.errors import UserError
from stages.common.holdout import SPLITS, split_of
from stages.common.schemas import fault
from stages.split import replay
from stages.split.draw import drawn, ranks, replayed
from stages.split.training import chosen
from tests.chats import HOLDOUT, chats_in, jsonl, plain_chat
from tests.project import ROOT, Project
from tests.split.table import table

IDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=60, unique=True)


@given(ids=IDS, seed=st.integers(-(2**70), 2**70), fewer=st.integers(0, 60), more=st.integers(0, 60))
def test_the_fifty_are_among_the_hundred_in_their_order(ids, seed, fewer, more) -> None:
    fewer, more = sorted((fewer, more))
    column, numbers = np.array(ids, np.uint64), np.arange(len(ids))
    few, many = drawn(numbers, column, seed, fewer).tolist(), drawn(numbers, column, seed, more).tolist()
    assert set(few) <= set(many) and len(many) == min(more, len(ids))
    assert few == sorted(few)


@given(ids=IDS, seed=st.integers(0, 2**32), data=st.data())
def test_of_old_chats_none_comes_in_because_new_ones_came(ids, seed, data) -> None:
    column, limit = np.array(ids, np.uint64), data.draw(st.integers(0, len(ids)))
    old = data.draw(st.integers(0, len(ids)))
    before = set(drawn(np.arange(old), column, seed, limit).tolist())
    after = set(drawn(np.arange(len(ids)), column, seed, limit).tolist())
    assert {number for number in after if number < old} <= before


def test_another_seed_draws_others_and_ranks_are_spread_evenly() -> None:
    column = np.arange(100_000, dtype=np.uint64)
    one, other = ranks(column, 1), ranks(column, 2)
    assert len(np.unique(one)) == 100_000
    assert abs((one < 2**63).mean() - 0.5) < 0.01
    assert abs(((one < 2**63) == (other < 2**63)).mean() - 0.5) < 0.01


@settings(deadline=None)
@given(training=st.integers(1, 5000), share=st.floats(0, 0.5))
def test_replayed_chats_make_up_their_share_of_all(training, share) -> None:
    count = replayed(training, share)
    assert count / (training + count) == pytest.approx(share, abs=0.51 / (training + count))


def plain(number: int) -> dict:
    turns = [{"from": "human", "value": f"What is {number}?"}, {"from": "gpt", "value": "A number."}]
    return replay.record({"conversations": turns, "license": "CC-BY-4.0"}, "data/replay/x.jsonl", 1)


def test_the_limit_holds_for_the_characters_chats_and_replayed_ones_come_on_top() -> None:
    own = [plain_chat(n) for n in range(100)]
    found = table([*own, *map(plain, range(40))])
    left = np.ones(140, bool)
    left[[100, 101]] = False  # two replayed ones with a leak
    kept, over = chosen(found, 100, left, 1, 30, 0.25)
    train = found.home[:100] == 0
    assert (kept[:100] & train).sum() == 30 and over.sum() == train.sum() - 30
    assert (kept[:100] & ~train).sum() == (~train).sum()
    assert np.flatnonzero(kept[100:]).tolist() == list(range(2, 12))  # 10 of 40 are a quarter
    kept, over = chosen(found, 100, left, 1, None, 0.0)
    assert not over.any() and kept[:100].all() and not kept[100:].any()


def test_the_plain_chats_of_this_project_are_many_and_different() -> None:
    chats = list(replay.read(ROOT / "data/replay"))
    assert len(chats) >= 60
    assert [fault("chat", chat) for chat in chats] == [None] * len(chats)
    assert len({normal(opening(chat)) for chat in chats}) == len({chat["id"] for chat in chats}) == len(chats)
    assert {len(chat["conversations"]) for chat in chats} == {2, 4, 6}
    assert len({chat["topic"] for chat in chats}) >= 6
    assert {chat["source"]["license"] for chat in chats} == {"CC-BY-4.0"}


def line(*said: str, **other: object) -> str:
    turns = [{"from": speaker, "value": value} for speaker, value in zip(["human", "gpt"] * len(said), said, strict=False)]
    return json.dumps({"license": "MIT", "conversations": turns} | other) + "\n"


def test_candidates_are_drawn_from_all_files_and_each_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(line(f"What is {n}?", "A number.") for n in range(30)))
    (tmp_path / "b.jsonl").write_text("".join(line(f"What is {n}?", "A number.") for n in range(20, 60)))
    ten, twenty = replay.candidates(5, 10, tmp_path), replay.candidates(5, 20, tmp_path)
    assert twenty[:10] == ten != replay.candidates(6, 10, tmp_path)
    assert len({chat["id"] for chat in replay.candidates(5, 1000, tmp_path)}) == 60
    assert all(fault("chat", chat) is None and chat["source"]["license"] == "MIT" for chat in twenty)


@pytest.mark.parametrize(
    "bad, said",
    [
        ("{oops\n", "b.jsonl:1: not JSON"),
        (line("What?"), "b.jsonl:1: conversations: "),
        (line("What?", "That.", license=""), "b.jsonl:1: license: "),
        (line("What?", "That.", teacher="x"), "b.jsonl:1: "),
        (line("What?", "<|im_end|>"), "b.jsonl:1: conversations.1: a token that opens or ends turns"),
        (json.dumps({"license": "MIT", "conversations": [{"from": "gpt", "value": "a"}, {"from": "human", "value": "b"}]}), "b.jsonl:1: conversations: "),
    ],
    ids=["not JSON", "one turn", "no licence", "another field", "a control token", "out of turn"],
)
def test_a_line_that_is_no_plain_chat_is_told_with_its_place(tmp_path: Path, bad: str, said: str) -> None:
    (tmp_path / "b.jsonl").write_text(bad)
    with pytest.raises(UserError) as told:
        list(replay.read(tmp_path))
    assert said in str(told.value)


def test_a_folder_without_chats_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="split.replay_share is set and .* has no chat"):
        replay.candidates(5, 10, tmp_path)


@pytest.mark.parametrize("name", ["mine.json", "mine.JSONL", "more/mine.jsonl"], ids=["json", "capitals", "a folder"])
def test_what_would_not_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "README.md").write_text("Plain chats.")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError, match=f"{tmp_path / name.partition('/')[0]}: not read; plain chats stand in files"):
        list(replay.read(tmp_path))


def test_a_plain_chat_that_leaks_is_replaced_by_the_next(project: Project) -> None:
    chats = [chat for name in SPLITS for chat in chats_in(name, 4)]
    held = next(chat for chat in chats if split_of(chat, **HOLDOUT) == "test")
    project.write("data/filtered/chats.jsonl", jsonl(chats))

    def plain(number: int, reply: str) -> dict:
        return {"license": "MIT", "conversations": [{"from": "human", "value": f"What is {number}?"}, {"from": "gpt", "value": reply}]}

    project.set("split.replay_share", 0.5)
    for leaking in range(9):
        own = [plain(number, held["conversations"][2]["value"] if number == leaking else f"The number {number} of nine.") for number in range(9)]
        project.write("data/replay/mine.jsonl", jsonl(own))
        assert project.run("split").returncode == 0
        assert project.metrics("split")["train_replay"] == 4
