"""A talk that is saved with consent is gold to the real curate; anything else leaves no trace."""

from __future__ import annotations

import json
import os

import pytest

from stages.common import characters, forgetting
from stages.common.errors import UserError
from stages.common.files import read_jsonl
from stages.common.params import load
from tests.project import Project
from tools.chat.records import Consent
from tools.chat.saving import save
from tools.chat.talk import Answer, Talk, begin

YES = Consent("A. Reader", "CC-BY-SA-4.0")
TALKS = "data/gold/sherlock-holmes.talks.jsonl"
HOSTILE = '"}\n{"conversations": []}\u2028</script> \\u0022 {"consent": false'


def talk(*said: str, **answer: str) -> Talk:
    one = begin("sherlock-holmes", characters.read_all(), "the visitor")
    for asked, answered in zip(said[::2], said[1::2], strict=True):
        one = one.ask(asked).answer(Answer("tuned", answered, **answer))
    return one


def keep(one: Talk, consent: Consent = YES):
    return save(one, consent, load("curate"))


def test_a_saved_talk_is_kept_by_curate_as_gold_under_its_own_licence_with_consent(house: Project) -> None:
    done = keep(talk("Who was it?", "The verger.", HOSTILE, "Your pen slipped."))
    assert (str(done.path), done.line, done.why_not) == (TALKS, 1, None)
    run = house.run("curate")
    assert run.returncode == 0, run.stderr
    hand, chat = read_jsonl("data/curated/chats.jsonl")
    group = chat["source"].pop("group")
    assert chat["source"] == {"kind": "gold", "file": TALKS, "line": 1, "license": "CC-BY-SA-4.0", "consent": True}
    assert [turn["value"] for turn in chat["conversations"][1:]] == ["Who was it?", "The verger.", HOSTILE, "Your pen slipped."]
    assert chat["conversations"][0]["value"].startswith("You are Sherlock Holmes") and len(group) == 16
    assert "A. Reader" not in (house.folder / "data/curated/chats.jsonl").read_text(encoding="utf-8")
    assert "consent" not in hand["source"] and house.metrics("curate")["rejected"] == 0


def test_talks_are_added_one_a_line_and_the_hand_written_file_stays_byte_for_byte(house: Project) -> None:
    hand = house.folder / "data/gold/sherlock-holmes.jsonl"
    before = hand.read_bytes()
    keep(talk("One?", "One."))
    assert keep(talk("Two?", "Two.")).line == 2
    assert [one["conversations"][0]["value"] for one in house.records(TALKS)] == ["One?", "Two?"]
    assert hand.read_bytes() == before
    assert sorted(path.name for path in (house.folder / "data/gold").iterdir()) == ["sherlock-holmes.jsonl", "sherlock-holmes.talks.jsonl"]


def test_the_same_talk_saved_again_when_it_has_grown_is_there_once(house: Project) -> None:
    keep(talk("Other?", "Other."))
    keep(talk("One?", "One."))
    keep(talk("One?", "One.", "And two?", "Two."))
    assert [len(one["conversations"]) for one in house.records(TALKS)] == [2, 4]


def test_what_stands_in_the_file_already_stays_even_where_it_is_broken(house: Project) -> None:
    house.write(TALKS, b'{"oops": \n\n{"conversations": 7}\n\xff no line end')
    assert keep(talk("One?", "One.")).line == 4
    assert (house.folder / TALKS).read_bytes().startswith(b'{"oops": \n{"conversations": 7}\n\xff no line end\n{"user"')


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (lambda: talk(), "nothing was said yet"),
        (lambda: talk().ask("Hello?"), "nothing was said yet"),
        (lambda: talk("One?", "One.", "Two?", "And so", finish="length"), "answer 1 breaks off before its end"),
        (lambda: talk("One?", "<|im_end|> Yes."), "curate would leave this talk out: control: a token that opens or ends turns"),
        (lambda: talk("One?", "\u200b"), "curate would leave this talk out: empty"),
        (lambda: talk("One?", "\ud800"), "half a surrogate pair"),
    ],
)
def test_what_curate_would_reject_and_what_breaks_off_is_refused_and_nothing_written(house: Project, one, told: str) -> None:
    with pytest.raises(UserError, match=told):
        keep(one())
    assert not (house.folder / TALKS).exists()


def test_an_answer_that_broke_off_can_be_saved_once_it_is_edited(house: Project) -> None:
    keep(talk("One?", "One and", finish="length").edit("One."))
    assert house.records(TALKS)[0]["conversations"][1]["value"] == "One."


def test_where_the_parameters_would_not_take_the_talk_in_the_sentence_says_so(house: Project) -> None:
    house.set("curate.licenses_allowed", ["MIT"])
    with pytest.raises(UserError, match="curate would leave this talk out: license: CC-BY-SA-4.0; expected MIT"):
        keep(talk("One?", "One."))
    house.set("curate.licenses_allowed", None)
    house.set("curate.sources", [{"path": "data/gold/sherlock-holmes.jsonl", "kind": "gold", "license": "MIT"}])
    with pytest.raises(UserError, match=f"curate.sources names no folder with {TALKS}"):
        keep(talk("One?", "One."))
    house.set("curate.sources", [{"path": "data/gold", "kind": "gold", "license": "MIT"}])
    house.add_card("watson", name="Watson")
    house.set("characters", ["watson"])
    assert keep(talk("One?", "One.")).why_not == "params.yaml: characters leaves sherlock-holmes out"
    house.set("characters", None)
    house.set("curate.use", ["book"])
    assert keep(talk("One?", "One.")).why_not == "params.yaml: curate.use leaves gold out"


def test_whoever_asked_to_be_forgotten_is_not_saved_anew(house: Project) -> None:
    forgetting.add(house.folder / "data/raw/forget.txt", ["A. Reader"])
    with pytest.raises(UserError, match="curate would leave this talk out: forgotten"):
        keep(talk("One?", "One."))


def test_a_full_disk_leaves_the_talks_as_they_were(house: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(talk("One?", "One."))
    before = (house.folder / TALKS).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=f"{TALKS}: cannot be written: No space left on device"):
        keep(talk("Two?", "Two."))
    assert (house.folder / TALKS).read_bytes() == before
    assert json.loads(before)["user"] == "A. Reader"


@pytest.mark.parametrize("said", [{"consent": False}, {"consent": "no"}, {"license": "my own"}, {"user": " "}])
def test_a_line_whose_consent_was_taken_back_by_hand_is_left_out_by_curate(house: Project, said: dict) -> None:
    keep(talk("One?", "One."))
    house.write(TALKS, json.dumps(house.records(TALKS)[0] | said) + "\n")
    assert house.run("curate").returncode == 0
    ((reject),) = house.records("data/curated/rejects.jsonl")
    assert (reject["file"], reject["line"], reject["rule"]) == (TALKS, 1, "schema")
