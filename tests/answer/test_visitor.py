"""The visitor whom a model plays: what it is sent, which of its words are said, and that it never speaks beside the adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from stages.answer.__main__ import converse
from stages.answer.served import Scored, Served, keep, measured
from stages.answer.situations import MANNER, read, talks
from stages.answer.visitor import CALLED, TOKENS, connection, fit
from stages.common.errors import UserError
from tests.answer.asked import PARAMETERS, VISITOR
from tests.common.stub_endpoint import Endpoint, Reply, completion

CARDS = {"holmes": {"name": "Sherlock Holmes"}, "silver": {"name": "Long John Silver", "nickname": "Silver"}}
SITUATION = {"id": "talk-1", "situation": "hostile", "visitor": "You hate {{char}}.", "prompts": ["Bah!", "Boo!", "Pah!"]}
PLAIN = {"set": "evaluation", "id": "eval-1", "kind": "cases", "character": "holmes", "prompts": ["Who?"]}


def told(question: Mapping) -> str:
    return f"You are {question['character']}."


def plays_the_visitor(body: dict) -> bool:
    return body["messages"][0]["content"].startswith("You hate")


def spoken(*visitor: str) -> Endpoint:
    """A server on which the arms say how many turns they have heard, and whoever plays the visitor says these words, one a turn."""

    def answer(body: dict, count: int) -> Reply:
        turn = sum(message["role"] == "user" for message in body["messages"])
        return Reply(completion(visitor[turn - 2] if plays_the_visitor(body) else f"{body['model']} says {turn}."))

    return Endpoint(answer)


def test_the_model_that_plays_the_visitor_has_its_own_lines_as_its_answers_and_the_character_as_its_user() -> None:
    with spoken("You rogue!", "Be gone!") as stub:
        (one,) = converse(Served(dict.fromkeys(("base", "adapter"), stub.url), 8), "adapter", talks([SITUATION], CARDS, ["holmes"]), told, PARAMETERS)
    assert one["said"] == ["Bah!", "You rogue!", "Be gone!"]
    assert [answer.text for answer in one["answers"]] == ["adapter says 1.", "adapter says 2.", "adapter says 3."]
    sent = [request.body for request in stub.requests]
    assert [(body["model"], body["max_tokens"]) for body in sent] == [("adapter", 48), ("base", TOKENS), ("adapter", 48), ("base", TOKENS), ("adapter", 48)]
    assert sent[3]["messages"] == [
        {"role": "system", "content": f"You hate Sherlock Holmes. {MANNER}".replace("{{char}}", "Sherlock Holmes")},
        {"role": "user", "content": CALLED},
        {"role": "assistant", "content": "Bah!"},
        {"role": "user", "content": "adapter says 1."},
        {"role": "assistant", "content": "You rogue!"},
        {"role": "user", "content": "adapter says 2."},
    ]
    assert sent[4]["messages"][1:] == [
        {"role": "user", "content": "Bah!"},
        {"role": "assistant", "content": "adapter says 1."},
        {"role": "user", "content": "You rogue!"},
        {"role": "assistant", "content": "adapter says 2."},
        {"role": "user", "content": "Be gone!"},
    ]


def test_the_base_as_visitor_never_speaks_while_the_adapter_does() -> None:
    """In one batch vLLM's CPU build lets the base speak with the adapter's words."""
    with spoken("You rogue!", "Be gone!") as stub:
        many = [PLAIN, *talks([SITUATION | {"id": f"talk-{n}"} for n in range(6)], CARDS, ["holmes", "silver"])]
        converse(served := Served(dict.fromkeys(("base", "adapter"), stub.url), 8), "adapter", many, told, PARAMETERS)
    models = [request.body["model"] for request in stub.requests]
    assert models == ["adapter"] * 13 + ["base"] * 12 + ["adapter"] * 12 + ["base"] * 12 + ["adapter"] * 12
    assert [(one.model, one.requests) for one in served.rounds] == [("adapter", 13), ("base", 12), ("adapter", 12), ("base", 12), ("adapter", 12)]


def test_what_the_visitor_must_not_say_is_replaced_by_the_files_line_for_that_turn() -> None:
    with spoken("As an AI language model, I cannot be rude.", "Be gone!") as stub:
        (one,) = converse(Served(dict.fromkeys(("base", "adapter"), stub.url), 8), "adapter", talks([SITUATION], CARDS, ["holmes"]), told, PARAMETERS)
    assert one["said"] == ["Bah!", "Boo!", "Be gone!"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("You rogue!", "You rogue!"),
        (" Visitor: \u201cYou rogue! I know you. And one more.\u201d\n\nHe leaves.", "You rogue! I know you."),
        ("I know you. And I shall tell the whole", "I know you."),
        ("Did he say \u201cNo.\u201d? I think", "Did he say \u201cNo.\u201d?"),
        ("I must ask, Mr. Holmes, whether you knew. I did. You too?", "I must ask, Mr. Holmes, whether you knew. I did."),
        ("and this has no end", None),
        ("", None),
        ("...", None),
        ("I'm here to help! How can I assist you today?", None),
        ("It is a DOG, I think.", None),
        ("Well, it is a dog, I think. It is a dog.", None),
        (
            "It is a dog that you think of, and he has no master in this town or in any other.",
            "It is a dog that you think of, and he has no master in this town or in any other.",
        ),
        ("(smiles) I know you.", None),
        ("Good day", None),
    ],
)
def test_only_whole_sentences_of_a_visitor_that_nobody_has_said_before_are_fit(reply: str, said: str | None) -> None:
    assert fit(reply, ["Good day!", "Well; it is a dog I think, sir."]) == said


def test_an_endpoint_may_play_the_visitor_and_where_it_refuses_a_line_the_files_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKS_TEST_KEY", "a-secret-of-the-test")

    def answer(body: dict, count: int) -> Reply:
        if len(body["messages"]) == 4:
            return Reply({"error": {"message": "not nice", "code": "content_filter"}}, status=400)
        return Reply(completion("Be gone!"))

    with spoken() as stub, Endpoint(answer) as other:
        params = PARAMETERS | {"answer.visitor.base_url": other.url, "answer.visitor.model": "large"}
        (one,) = converse(Served(dict.fromkeys(("base", "adapter"), stub.url), 8), "adapter", talks([SITUATION], CARDS, ["holmes"]), told, params)
    assert one["said"] == ["Bah!", "Boo!", "Be gone!"]
    assert [request.body["model"] for request in stub.requests] == ["adapter"] * 3
    assert {request.body["model"] for request in other.requests} == {"large"}
    assert {request.headers["authorization"] for request in other.requests} == {"Bearer a-secret-of-the-test"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model": "large"}, r"answer\.visitor\.base_url is http://127\.0\.0\.1:9/v1, but the environment variable TALKS_TEST_KEY .* is empty"),
        ({}, r"params\.yaml: answer\.visitor\.base_url names an endpoint, but answer\.visitor\.model is null; expected the name of one of its models"),
        ({"base_url": "http://u:p@127.0.0.1/v1"}, r"params\.yaml: answer\.visitor\.base_url is no address"),
    ],
)
def test_an_endpoint_that_cannot_be_asked_is_one_sentence(changed: dict, sentence: str) -> None:
    params = VISITOR | {"answer.visitor.base_url": "http://127.0.0.1:9/v1"} | {f"answer.visitor.{name}": value for name, value in changed.items()}
    with pytest.raises(UserError, match=sentence):
        connection(params)


def test_the_visitor_is_told_of_the_character_by_the_name_that_he_is_called() -> None:
    silver, holmes = talks([SITUATION], CARDS, ["silver", "holmes"])
    assert silver["visitor"].startswith("You hate Silver. ") and holmes["visitor"].startswith("You hate Sherlock Holmes. ")
    assert "{{" not in silver["visitor"]
    assert [one["character"] for one in talks([SITUATION | {"character": "silver"}], CARDS, ["silver", "holmes"])] == ["silver"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{oops", ":2: not JSON: "),
        (SITUATION | {"situation": "bored"}, ":2: situation: 'bored' is not one of"),
        (SITUATION | {"id": "talk-2", "prompts": ["Bah!"]}, r":2: prompts: \['Bah!'\] is too short; expected a situation as schemas/situation"),
        ({name: value for name, value in SITUATION.items() if name != "visitor"}, ":2: 'visitor' is a required property"),
        (SITUATION | {"id": "talk-2", "character": "watson"}, ":2: the situation is for 'watson', who has no card; data/characters has holmes, silver"),
        (SITUATION, ":2: id talk-1 is a situation's before; expected each id once"),
    ],
)
def test_a_line_that_is_no_situation_is_one_sentence_with_file_and_line(tmp_path: Path, line: object, said: str) -> None:
    path = tmp_path / "situations.jsonl"
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in (SITUATION, line)))
    with pytest.raises(UserError, match=rf"situations\.jsonl{said}"):
        read(path, CARDS)


def test_what_a_run_took_is_kept_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path))
    with spoken("You rogue!", "Be gone!") as stub:
        converse(served := Served(dict.fromkeys(("base", "adapter"), stub.url), 8, start=30.0), "base", talks([SITUATION], CARDS, ["holmes"]), told, PARAMETERS)
    keep("pypi:x==1", served, Scored(9000, 60.0))
    found = json.loads(measured().read_text())
    assert (found["base"], found["concurrency"], found["start"], found["scored"]) == ("pypi:x==1", 8, 30.0, {"tokens": 9000, "seconds": 60.0})
    assert [(one["model"], one["requests"], one["prompt_tokens"], one["answer_tokens"]) for one in found["rounds"]] == [
        ("base", 2, 20, 10), ("base", 2, 20, 10), ("base", 2, 20, 10), ("base", 2, 20, 10), ("base", 2, 20, 10),
    ]  # fmt: skip
