"""The hold-out carried out: nothing stands in two splits, and what would is named with the chat that stays."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from stages.common.holdout import SPLITS, split_of
from stages.common.schemas import fault
from stages.split.partition import COMMON, common_runs
from stages.split.proof import ZERO
from stages.split.rejects import leaked as _leaked
from tests.chats import HOLDOUT, chats_in, make_chat, plain_chat, prose
from tests.split.table import NEAR, leaks_of, proof_of, split, table

GROUP = next(name for n in range(100) if split_of(make_chat("?", "!", kind="log", group=(name := f"{n:016x}")), **HOLDOUT) == "train")
TRAIN, VALIDATION, TEST = (chats_in(name, 3) for name in SPLITS)


def leaked(*told: object) -> dict:
    """The reject, where nothing is common."""
    return _leaked(*told, NEAR, np.zeros(0, np.uint64))


def reply_of(chat: dict) -> str:
    return chat["conversations"][2]["value"]


def opening_of(chat: dict) -> str:
    return chat["conversations"][1]["value"]


def train_chat(*said: str, **other: object) -> dict:
    """A chat with an opening of its own that the hold-out gives to train."""
    return next(train_chats(said, **other))


def train_chats(*replies: Sequence[str], **other: object) -> Iterator[dict]:
    """Chats with an opening each of their own that the hold-out gives to train."""
    left = iter(replies)
    for said in left:
        for number in range(1000):
            chat = make_chat(f"Opening {number} of {said[0][-30:]}, what of it?", *said, **other)
            if split_of(chat, **HOLDOUT) == "train":
                yield chat
                break


def zeros(figures: dict[str, float]) -> list[float]:
    return [figures[name] for name in ZERO]


def test_chats_that_share_nothing_go_where_the_hold_out_says_in_their_order() -> None:
    chats = [chat for trio in zip(TRAIN, TEST, VALIDATION, strict=True) for chat in trio]
    assert split(chats) == ({"train": TRAIN, "validation": VALIDATION, "test": TEST}, [])
    assert zeros(proof_of(chats)[0]) == [0] * len(ZERO)


@pytest.mark.parametrize(
    "home, held", [(TRAIN, TEST), (TRAIN, VALIDATION), (VALIDATION, TEST)], ids=["train and test", "train and validation", "validation and test"]
)
def test_of_two_chats_that_share_a_reply_the_one_that_measures_more_stays(home: list[dict], held: list[dict]) -> None:
    leak = make_chat(opening_of(home[0]), f"  {reply_of(held[0]).upper()}! ", "And?", "Another reply of its own.")
    assert split_of(leak, **HOLDOUT) == split_of(home[0], **HOLDOUT) != split_of(held[0], **HOLDOUT)
    (reason,) = leaks_of([leak, held[0]]).values()
    assert (reason.what, reason.held) == ("reply", 1)
    there, here = (split_of(chat, **HOLDOUT) for chat in (held[0], leak))
    reject = leaked(leak, here, reason, held[0], there)
    assert (reject["id"], reject["rule"], reject["found"]) == (leak["id"], "leak", reply_of(held[0]))
    assert reject["expected"] == f"nothing of {there} chat {held[0]['id']} in {here}"
    assert fault("reject", reject) is None


def test_a_synthetic_chat_with_a_test_chats_opening_is_a_reject() -> None:
    copy = make_chat(opening_of(TEST[0]) + " ...", "A reply that nobody else gives.", kind="synthetic")
    assert {name: leak.what for name, leak in leaks_of([copy, *TRAIN, *TEST]).items()} == {copy["id"]: "opening"}


@pytest.mark.parametrize("held", [TEST, VALIDATION], ids=["test", "validation"])
def test_a_synthetic_chat_that_is_nearly_a_held_out_one_is_a_reject_that_names_it(held: list[dict]) -> None:
    words = reply_of(held[1]).split()
    # Two of the 18 trigrams are others: 16 of 20 in common.
    near = make_chat("Something else?", " ".join(["other", "words", *words[2:]]), kind="synthetic")
    just_not = make_chat("Something else yet?", " ".join(["yet", "other", "words", *words[3:]]), kind="synthetic")
    reasons = leaks_of([near, *TRAIN, *held])
    assert reasons[near["id"]].what == "near" and reasons[near["id"]].similarity == pytest.approx(16 / 20)
    home = split_of(held[1], **HOLDOUT)
    reject = leaked(near, "train", reasons[near["id"]], held[1], home)
    assert (reject["found"], reject["expected"]) == (0.8, f"less than 0.8 of the trigrams of {home} chat {held[1]['id']} in train")
    assert leaks_of([just_not, *held])[just_not["id"]].what == "run", "17 words in a row, but less alike"


@pytest.mark.parametrize("speaker", [1, 2], ids=["the visitor's", "the character's"])
def test_thirteen_words_in_a_row_are_a_leak_and_twelve_are_none(speaker: int) -> None:
    said = prose(1, 40)
    held = next(chat for n in range(100) if split_of(chat := make_chat(f"Now {n} {said}?", prose(2, 40) + " " + said), **HOLDOUT) == "test")
    words = held["conversations"][speaker]["value"].rstrip("?").split()[20:]
    for count, expected in ((13, {"run"}), (12, set())):
        turns = [prose(5), " ".join([*words[:count], prose(6)])]
        leak = make_chat(*(turns if speaker == 2 else turns[::-1]), kind="synthetic")
        reasons = leaks_of([leak, held])
        assert {reason.what for reason in reasons.values()} == expected
        if reasons:
            assert leaked(leak, "train", reasons[leak["id"]], held, "test")["found"] == " ".join(words[:13])


def held_chat(*said: str) -> dict:
    """A chat that the hold-out gives to test."""
    return next(chat for n in range(100) if split_of(chat := make_chat(f"Now {n}, what?", *said), **HOLDOUT) == "test")


def quotes_of(saying: str, count: int = COMMON + 1) -> list[dict]:
    """Training chats that begin a reply so and go on each in their way."""
    return list(train_chats(*([f"{saying} {prose(10 + number, 60)}"] for number in range(count))))


def test_what_everybody_quotes_is_no_leak() -> None:
    saying = prose(3, 15)
    held, quotes = held_chat(prose(2, 40) + " " + saying), quotes_of(saying)
    assert leaks_of([held, *quotes]) == {}
    figures, _ = proof_of([held, *quotes])
    assert (figures["shared_13grams"], figures["common_13grams"]) == (0, 3)
    assert [leak.what for leak in leaks_of([held, *quotes[:-1]]).values()] == ["run"] * COMMON


@pytest.mark.parametrize(
    "words, other, leaks", [(25, 40, False), (26, 40, True), (20, 20, False), (20, 19, True)], ids=["25", "26 in a row", "half", "more than half"]
)
def test_what_everybody_quotes_is_a_leak_where_it_is_much_of_a_held_out_turn(words: int, other: int, leaks: bool) -> None:
    saying = prose(3, words)
    chats = [held_chat(f"{saying} {prose(2, other)}"), *quotes_of(saying)]
    assert [leak.what for leak in leaks_of(chats).values()] == ["run"] * (COMMON + 1 if leaks else 0)
    assert proof_of(chats)[0]["shared_13grams"] == (words - 12 if leaks else 0)


def test_a_whole_test_reply_in_many_training_chats_is_a_leak_in_each() -> None:
    reply = prose(3, 40)
    chats = [held_chat(reply), *quotes_of(reply, 15)]
    assert len(leaks_of(chats)) == 15


def test_one_users_many_chats_make_nothing_common() -> None:
    saying = prose(3, 15)
    quotes = list(train_chats(*([f"{saying} {prose(10 + number, 60)}"] for number in range(COMMON + 1)), kind="log", consent=True, group=GROUP))
    assert len(leaks_of([held_chat(prose(2, 40) + " " + saying), *quotes])) == len(quotes) == COMMON + 1


def test_a_reply_that_is_cut_in_two_is_found_all_the_same() -> None:
    words = prose(3, 18).split()
    held = held_chat(" ".join([*words, prose(2, 20)]))
    halves = make_chat("Well?", " ".join(words[:9]), "And?", " ".join(words[9:]), kind="synthetic")
    assert [leak.what for leak in leaks_of([halves, held]).values()] == ["run"]
    assert leaked(halves, "train", leaks_of([halves, held])[halves["id"]], held, "test")["found"] == " ".join(words[:13])


def test_stress_by_underscores_hides_nothing() -> None:
    words = prose(3, 13).split()
    held = held_chat(" ".join(words))
    stressed = make_chat("Well?", " ".join([f"_{words[0]}_", *words[1:]]), kind="synthetic")
    assert [leak.what for leak in leaks_of([stressed, held]).values()] == ["reply"]


def test_a_reject_names_no_run_that_everybody_quotes() -> None:
    saying, own = prose(3, 15), prose(4, 13)
    held = held_chat(f"{saying} {prose(2, 40)} {own}")
    chats = [held, *quotes_of(saying), make_chat("Well?", f"{saying} {prose(90, 30)} {own}", kind="synthetic")]
    (leak,) = leaks_of(chats).values()
    found = table(chats)
    reject = _leaked(chats[-1], "train", leak, held, "test", NEAR, common_runs(found, chats.__getitem__))
    assert reject["found"] == own


def test_another_characters_chat_may_not_carry_a_reply_over_either() -> None:
    number = next(n for n in range(100) if split_of(plain_chat(n, character="watson"), **HOLDOUT) == "train")
    leak = make_chat(f"Question {number}?", reply_of(TEST[0]), character="watson")
    assert split([leak, TEST[0]]) == ({"train": [], "validation": [], "test": [TEST[0]]}, [leak["id"]])


def test_chats_of_one_split_may_share_an_opening_and_a_reply() -> None:
    twin = make_chat(opening_of(TRAIN[0]), reply_of(TRAIN[1]))
    assert split([*TRAIN, twin])[0]["train"] == [*TRAIN, twin]


def test_a_rejected_chat_does_not_make_others_leaks() -> None:
    """The validation chat goes because of test; what train shares with it alone may stay."""
    gone = make_chat(opening_of(VALIDATION[0]), reply_of(TEST[0]), "And?", "A reply that only these two give.")
    stays = make_chat(opening_of(TRAIN[0]), "A reply that only these two give.")
    assert split([gone, stays, TEST[0]]) == ({"train": [stays], "validation": [], "test": [TEST[0]]}, [gone["id"]])


def test_a_greeting_of_users_whose_logs_are_groups_is_no_leak_but_a_question_is() -> None:
    def logs(opening: str) -> list[dict]:
        return [make_chat(opening, prose(n), kind="log", consent=True, group=f"{n:016x}") for n in range(20)]

    assert leaks_of(logs("Good evening!")) == {}
    homes = [split_of(chat, **HOLDOUT) for chat in logs("Where were you?")]
    assert len(leaks_of(logs("Where were you?"))) == 20 - homes.count("test") > 0


@pytest.mark.parametrize("seed", range(25))
def test_whatever_the_chats_share_nothing_is_lost_and_the_proof_is_zero(seed: int) -> None:
    draw = random.Random(seed)
    chats, seen = [], set()
    for _ in range(120):
        said = [text for turn in range(draw.randint(1, 3)) for text in (f"Question {draw.randint(0, 60)}?", prose(draw.randint(0, 60), draw.randint(3, 30)))]
        chat = make_chat(*said, kind=draw.choice(["gold", "gold", "log", "synthetic"]), character=draw.choice(["adler", "watson"]))
        if chat["id"] not in seen:
            seen.add(chat["id"])
            chats.append(chat)
    splits, gone = split(chats)
    assert gone, "the test needs leaks"
    assert sorted([*(chat["id"] for group in splits.values() for chat in group), *gone]) == sorted(seen)
    assert all(split_of(chat, **HOLDOUT) == name for name, members in splits.items() for chat in members)
    kept = [chat for members in splits.values() for chat in members]
    assert zeros(proof_of(kept)[0]) == [0] * len(ZERO)
    assert leaks_of(kept) == {}, "a second pass finds nothing"
    assert set(leaks_of(draw.sample(chats, len(chats)))) == set(gone), "the order of the lines decides nothing"


def test_the_proof_counts_what_is_shared_and_names_the_pair() -> None:
    twin = make_chat(opening_of(TEST[1]), reply_of(TRAIN[1]))
    written = plain_chat(900, kind="synthetic")
    chats = [*TRAIN, TRAIN[0], twin, written]
    figures, proof = proof_of(chats, ["train"] * 3 + ["validation", "test", "test"])
    assert {name: figures[name] for name in ZERO} == {
        "shared_chats": 1,  # the first of train, in validation
        "shared_groups": 1,
        "shared_replies": 2,  # its reply, and the twin's
        "shared_openings": 1,
        "shared_13grams": 16,  # 8 runs in each of two replies of 20 words
        "near_duplicates": 2,
        "synthetic_held_out": 1,
    }
    assert proof.culprits() == ("shared_chats", 0, 3)
    assert figures["jaccard_train_test"] == figures["jaccard_train_validation"] == 1.0
    assert proof_of([TRAIN[1], twin], ["train", "test"])[1].culprits() == ("shared_replies", 0, 1)
    assert proof_of([TRAIN[1], written], ["train", "test"])[1].culprits() == ("synthetic_held_out", 1, 1)
    assert proof_of([TEST[1], twin], ["validation", "test"])[0]["shared_openings"] == 1


def test_the_proof_tells_the_highest_similarity_below_the_bound() -> None:
    words = reply_of(TEST[0]).split()
    half = train_chat(" ".join([*words[:10], *prose(77, 10).split()]))
    figures, _ = proof_of([*TRAIN, half, *VALIDATION, *TEST])
    assert figures["jaccard_train_test"] == round(8 / 28, 4) > figures["jaccard_train_test_searched"]
    assert figures["jaccard_train_validation"] == figures["jaccard_validation_test"] == 0.0
