"""What an answer claims, when it deflects, and what is made of both: verdicts and rates of the questions about a character's world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.evaluate import scores
from stages.evaluate.claims import claims, tokens
from stages.evaluate.deflection import deflects
from stages.evaluate.intervals import Estimate, paired_difference, wilson
from stages.evaluate.world import Row, by_character, chance, row, score, verdict
from tests.evaluate.sample import NAMES
from tests.project import ROOT

BROTHER = ["Mycroft", "Mycroft Holmes"]
FACT = {"id": "w-1", "kind": "fact", "topic": "who", "character": "sherlock-holmes", "prompt": "Who is your brother?", "accepted": BROTHER, "source": "x"}
MOON = {
    "id": "w-2",
    "kind": "unknowable",
    "topic": "after-his-time",
    "character": "sherlock-holmes",
    "prompt": "Who walked on the moon?",
    "invented": ["Armstrong"],
}


@pytest.mark.parametrize(
    "answer",
    [
        "Mycroft.",
        "MYCROFT, sir!",
        "My brother Mycroft's club is a quiet one.",
        "“Mycroft”, I said.",
        "My\u00adcroft.",
        "It was not Moran but Mycroft.",
        "No, it was Mycroft.",
        "It was not old Colonel Moran but Mycroft.",
        "I could not go and Mycroft went.",
        "It was Moran. No: Mycroft.",
        "Moran? Never. Mycroft.",
        "Moran and Mycroft.",
        "Not only Mycroft; Moran too.",
        "I shall never forget Mycroft.",
        "No doubt it was Mycroft.",
        "It was no other than Mycroft.",
        "It was not far from Mycroft.",
        "Perhaps Mycroft.",
        "I am not sure of it, but I think Mycroft.",
        "Who but Mycroft?",
        "It was Mycroft, was it not?",
        "It is Mycroft, sir, eh?",
        "He is called Mycroft, or so he says.",
        "Mycroft, or rather his shadow.",
        "Mycroft or Mycroft Holmes, as you like.",
    ],
)
def test_an_answer_that_gives_the_name_claims_it(answer: str) -> None:
    assert claims(answer, BROTHER)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "My brother.",
        "Mycroftian reasoning.",
        "It was not Mycroft.",
        "It wasn’t Mycroft.",
        "Neither Moran nor Mycroft.",
        "I never heard of Mycroft.",
        "I do not know Mycroft.",
        "There is no Mycroft.",
        "Anybody rather than Mycroft.",
        "Mycroft it was not.",
        "Mycroft was not the man.",
        "Mycroft had nothing to do with it.",
        "Was it Mycroft?",
        "Mycroft? I never heard of him.",
        "Moran or Mycroft.",
        "Mycroft or Moran.",
        "Mycroft, or perhaps Moran.",
        "Mycroft, Moran or Selden.",
    ],
)
def test_an_answer_that_denies_asks_or_offers_the_name_beside_another_does_not_claim_it(answer: str) -> None:
    assert not claims(answer, BROTHER)


@pytest.mark.parametrize(
    ("answer", "form", "claimed"),
    [
        ("Some £350,000, I reckon.", "350,000", True),
        ("A 7% solution.", "7 per cent", True),
        ("A 27% solution.", "7%", False),
        ("One hundred and forty kinds.", "hundred and forty", True),
        ("A hundred and forty-one.", "hundred and forty", False),
        ("Two hundred.", "two hundred", True),
        ("Two hundred and fifty.", "two hundred", False),
        ("Two hundred, and nine guns.", "two hundred", True),
        ("He was sixteen or seventeen.", "sixteen", False),
        ("He was sixteen, or thereabouts.", "sixteen", True),
        ("Sixty-six.", "six", False),
        ("Six-and-twenty.", "six", False),
        ("Six hundred.", "six", False),
        ("Seven and twenty.", "seven-and-twenty", True),
        ("The Encyclopædia, volume A.", "encyclopaedia", True),
        ("At the Café Royal.", "cafe royal", True),
        ("Neville St. Clair, a gentleman.", "St Clair", True),
        ("Fetch aft the rum, M’Graw!", "M'Graw", True),
        ("With an airgun.", "air-gun", False),
        ("With an air gun.", "air-gun", True),
        ("In Scotland, or at Gretna.", "Gretna", False),
    ],
)
def test_numbers_accents_titles_and_hyphens_are_read_as_people_write_them(answer: str, form: str, claimed: bool) -> None:
    assert claims(answer, [form]) is claimed


def test_or_between_two_accepted_forms_offers_nothing_else() -> None:
    assert claims("In Scotland, or at Gretna.", ["Scotland", "Gretna"])


def test_tokens_are_words_and_stops() -> None:
    assert tokens("Mr. Holmes's £1,200! Isn't it?") == ["mr", "holmes", "1200", "!", "isnt", "it", "?"]


def test_a_fact_is_correct_or_wrong_whatever_else_is_said() -> None:
    assert verdict(FACT, "Mycroft, of course.", "Sherlock Holmes") == "correct"
    assert verdict(FACT, "I do not know.", "Sherlock Holmes") == "wrong"
    assert verdict(FACT, "As an AI language model I can say that it is Mycroft.", "Sherlock Holmes") == "correct"


def test_what_he_cannot_know_is_deflected_invented_or_breaks_him() -> None:
    assert verdict(MOON, "I never heard of such a thing.", "Sherlock Holmes") == "deflected"
    assert verdict(MOON, "On the moon! Are you well?", "Sherlock Holmes") == "deflected"
    assert verdict(MOON, "A Frenchman, in a balloon.", "Sherlock Holmes") == "invented"
    assert verdict(MOON, "", "Sherlock Holmes") == "invented"
    assert verdict(MOON, "As an AI language model, I do not know who.", "Sherlock Holmes") == "broke"


def test_who_deflects_and_then_gives_a_known_invention_has_invented() -> None:
    assert verdict(MOON, "I know nothing of it. It was Armstrong.", "Sherlock Holmes") == "invented"
    assert verdict(MOON, "I never heard of Armstrong.", "Sherlock Holmes") == "deflected"


def test_a_number_thrown_back_is_no_deflection_and_a_word_is() -> None:
    assert not deflects("Nine thousand! Draw up your chair.", "I have nine thousand of them.")
    assert deflects("A train! Sit down.", "How was your train?")
    assert not deflects("The sea! I love it.", "How was your train?")


LABELLED = [json.loads(line) for line in Path(__file__).with_name("world_answers.jsonl").read_text(encoding="utf-8").splitlines()]


def judged(half: str) -> list[tuple[str, str]]:
    """(label, verdict) of the labelled answers of one half, without a list of inventions."""
    question = {"kind": "unknowable", "invented": []}
    return [(one["label"], verdict(question | {"prompt": one["prompt"]}, one["answer"], NAMES[one["character"]])) for one in LABELLED if one["half"] == half]


@pytest.mark.parametrize(("half", "found", "wrongly", "missed"), [("development", 25, 0, 0), ("held-out", 21, 0, 2)])
def test_deflections_are_found_as_often_as_the_readme_says(half: str, found: int, wrongly: int, missed: int) -> None:
    """The answers were written and labelled before the rules; the rules were mended by the development half and never by the other."""
    pairs = judged(half)
    assert sum(pair == ("deflected", "deflected") for pair in pairs) == found
    assert sum(label != "deflected" and given == "deflected" for label, given in pairs) == wrongly
    assert sum(label == "deflected" and given != "deflected" for label, given in pairs) == missed


@pytest.mark.parametrize("half", ["development", "held-out"])
def test_every_labelled_break_is_a_break_and_nothing_else_is(half: str) -> None:
    assert {label for label, given in judged(half) if given == "broke"} == {"broke"} == {given for label, given in judged(half) if label == "broke"}


def gold(topics: set[str], first: bool) -> list[bool]:
    """Of the gold's replies in these topics, first ones or all: which deflect."""
    found = []
    for path in sorted((ROOT / "data/gold").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            chat = json.loads(line)
            if chat["topic"] in topics:
                turns = [turn["value"] for turn in chat["conversations"]]
                pairs = list(zip(turns[::2], turns[1::2], strict=True))
                found += [deflects(reply, prompt) for prompt, reply in (pairs[:1] if first else pairs)]
    return found


def test_replies_to_talk_out_of_the_time_deflect_far_oftener_than_ordinary_ones() -> None:
    """Both were written by other people, with other things in mind. Where nothing is asked that he cannot know, a phrase is there by chance."""
    strange = gold({"out-of-era"}, first=True)
    plain = gold(
        {
            "cases",
            "method",
            "watson",
            "baker-street",
            "voyages",
            "seamanship",
            "crew",
            "spy-glass",
            "longbourn",
            "marriage",
            "society",
            "small-talk",
            "visitors",
        },
        first=False,
    )
    assert len(strange) >= 39 and sum(strange) / len(strange) >= 0.4
    assert len(plain) >= 600 and sum(plain) / len(plain) <= 0.08


def question(number: int, kind: str, topic: str, character: str = "sherlock-holmes", **other: object) -> dict:
    fields = {"accepted": [f"Name{number}"], "source": "x"} if kind == "fact" else {"invented": []}
    return {"id": f"w-{number}", "kind": kind, "topic": topic, "character": character, "prompt": f"Q{number}?"} | fields | other


def rows() -> list[Row]:
    """Four facts of Holmes and one of Silver, two unknowables of Holmes; tuned knows three facts, prompted one."""
    facts = [question(n, "fact", "who" if n < 3 else "where") for n in range(4)] + [question(4, "fact", "who", "john-silver")]
    unknowables = [question(n, "unknowable", "false-premise") for n in (5, 6)]
    said = [
        ("Name0.", "Name0."),
        ("x", "Name1."),
        ("x", "Name2."),
        ("x", "x"),
        ("x", "x"),
        ("I am an AI language model.", "I do not know."),
        ("Blue.", "Blue."),
    ]
    return [row(one, {"prompted": a, "tuned": b}, NAMES[one["character"]]) for one, (a, b) in zip(facts + unknowables, said, strict=True)]


def test_rates_are_shares_of_the_questions_of_their_kind_with_wilsons_intervals() -> None:
    figures = score(rows(), 0.95)
    assert (figures["world.facts"], figures["world.unknowables"]) == (5, 2)
    assert figures["tuned.world_correct_rate"] == wilson(3, 5, 0.95)
    assert figures["tuned.world_wrong_rate"] == wilson(2, 5, 0.95)
    assert figures["prompted.world_correct_rate"] == wilson(1, 5, 0.95)
    assert figures["tuned.world_correct_rate.who"] == wilson(3, 4, 0.95)
    assert figures["tuned.world_correct_rate.where"] == wilson(0, 1, 0.95)
    assert figures["tuned.world_deflected_rate"] == figures["tuned.world_invented_rate"] == figures["prompted.world_broke_rate"] == wilson(1, 2, 0.95)
    assert figures["tuned.world_broke_rate"] == wilson(0, 2, 0.95)
    assert figures["tuned.world_deflected_rate.false-premise"] == wilson(1, 2, 0.95)
    assert not [name for name in figures if name.endswith((".what", ".after-his-time"))]


def test_the_difference_of_the_arms_is_paired_by_question() -> None:
    difference = score(rows(), 0.95)["tuned_vs_prompted.world_correct_rate"]
    assert difference == paired_difference([True, False, False, False, False], [True, True, True, False, False], 0.95)
    assert difference.value == pytest.approx(0.4)


def test_a_third_arm_has_figures_of_its_own() -> None:
    three = [row(one.question, one.answers | {"base": "Name0."}, "Sherlock Holmes") for one in rows()]
    figures = score(three, 0.95)
    assert figures["base.world_correct_rate"] == wilson(1, 5, 0.95)
    assert figures["tuned_vs_base.world_correct_rate"].value == pytest.approx(0.4)
    assert figures["tuned.world_correct_rate"] == wilson(3, 5, 0.95)


def test_each_character_has_the_same_figures_of_his_own_questions() -> None:
    each = by_character(rows(), 0.95)
    assert list(each) == ["john-silver", "sherlock-holmes"]
    assert each["sherlock-holmes"]["tuned.world_correct_rate"] == wilson(3, 4, 0.95)
    assert each["john-silver"]["tuned.world_correct_rate"] == wilson(0, 1, 0.95)
    assert "tuned.world_deflected_rate" not in each["john-silver"] and each["john-silver"]["world.unknowables"] == 0


def test_no_question_gives_counts_of_zero_and_no_rate() -> None:
    assert score([], 0.95) == {"world.facts": 0, "world.unknowables": 0}


def test_whoever_lists_all_names_is_as_often_right_by_chance_as_by_knowledge() -> None:
    facts = [question(n, "fact", "who") for n in range(5)] + [question(9, "fact", "where"), question(8, "fact", "who", "john-silver")]
    everybody = "Name0 and Name1 and Name2 and Name3 and Name4."
    listed = [row(one, {"tuned": everybody, "base": f"Name{number}."}, "x") for number, one in enumerate(facts)]
    assert chance(listed) == {"tuned.world_chance_rate": 1.0, "base.world_chance_rate": 0.0}


def test_chance_leaves_out_questions_that_share_an_answer() -> None:
    facts = [question(0, "fact", "who", accepted=["The King"]), question(1, "fact", "who", accepted=["the king", "George"]), question(2, "fact", "who")]
    answered = [row(one, {"tuned": "George, the King."}, "x") for one in facts]
    # Left are 0 for 2, 1 for 2, 2 for 0 and 2 for 1: the last two are right.
    assert chance(answered) == {"tuned.world_chance_rate": 0.5}


def test_the_figures_become_flat_numbers_by_the_names_of_the_design() -> None:
    flat = scores.flat(score(rows(), 0.95), by_character(rows(), 0.95))
    assert flat["tuned.world_correct_rate"] == 0.6 and {"tuned.world_correct_rate_lower", "tuned.world_correct_rate_upper"} <= flat.keys()
    assert flat["sherlock-holmes.tuned.world_deflected_rate"] == 0.5
    assert all(isinstance(value, int | float) for value in flat.values())
    assert not any(isinstance(value, Estimate) for value in flat.values())
