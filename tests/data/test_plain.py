"""The plain questions of data/prompts/plain.jsonl: enough, each with an answer that its own words do not give away, and none of them trained on."""

from __future__ import annotations

from collections import Counter

from stages.common.chats import normal, spoken
from stages.common.files import read_jsonl
from stages.common.plain_questions import EXAMPLES, FILE, read
from stages.evaluate.ability import plain, right
from tests.project import ROOT

QUESTIONS = read(ROOT / FILE)


def test_there_are_enough_questions_of_several_topics_each_asked_once() -> None:
    topics = Counter(question["topic"] for question in QUESTIONS)
    assert len(QUESTIONS) >= 60 and len(topics) >= 8 and min(topics.values()) >= 5
    asked = [normal(question["prompt"]) for question in QUESTIONS]
    assert len(set(asked)) == len(asked) and not set(asked) & {normal(prompt) for prompt, _ in EXAMPLES}


def test_nothing_in_a_question_is_its_answer_nor_is_an_examples_answer() -> None:
    for question in QUESTIONS:
        words = f" {normal(question['prompt'])} "
        given = [answer for answer in question["answers"] if f" {plain(answer)} " in words and plain(answer) not in ("yes", "no")]
        assert given == [], question["id"]
        assert not any(right(example, question["answers"]) for _, example in EXAMPLES), question["id"]


def test_the_accepted_answers_differ_and_are_short() -> None:
    for question in QUESTIONS:
        forms = [plain(answer) for answer in question["answers"]]
        assert all(forms) and len(set(forms)) == len(forms) and max(len(form.split()) for form in forms) <= 3, question["id"]


def test_every_question_says_in_what_form_it_wants_the_answer() -> None:
    assert [question["id"] for question in QUESTIONS if not any(form in question["prompt"] for form in ("only", "one word", "yes or no"))] == []


def test_no_question_is_asked_in_a_replayed_chat() -> None:
    replayed = {normal(turn) for chat in read_jsonl(ROOT / "data/replay/plain.jsonl") for turn in spoken(chat, "human")}
    assert [question["id"] for question in QUESTIONS if normal(question["prompt"]) in replayed or normal(question["prompt"].split("?")[0]) in replayed] == []
