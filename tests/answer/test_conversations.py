"""Conversations of several turns: what is put to the arm in each turn, and how many at once; through the client, to a server that says what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from stages.answer.__main__ import SHORT, answer_plainly, converse, requests
from stages.answer.conversations import Messages, as_written, check_room, hold
from stages.answer.served import Served
from stages.common.answer_store import Answer
from stages.common.errors import UserError
from tests.answer.asked import PARAMETERS

QUESTIONS = [
    {"set": "evaluation", "id": "eval-1", "kind": "cases", "character": "h", "prompts": ["Who?"]},
    {"set": "redteam", "id": "red-1", "kind": "hostile", "character": "h", "prompts": ["Bah!", "Boo!", "Pah!"]},
    {"set": "redteam", "id": "red-2", "kind": "hostile", "character": "w", "prompts": ["One.", "Two.", "Three."]},
]


def told(question: Mapping) -> str:
    return f"You are {question['character']}."


def test_all_first_prompts_are_asked_at_once_then_all_second_ones_each_after_what_was_said() -> None:
    asked: list[tuple[int, list[Messages]]] = []

    def answer(turn: int, conversations: list[tuple[Mapping, Messages]]) -> list[Answer]:
        assert all(question["prompts"][turn - 1] == messages[-1]["content"] for question, messages in conversations)
        asked.append((turn, [messages for _, messages in conversations]))
        return [Answer(f" reply {turn} to {messages[-1]['content']}\n", "length", 1, 1) for _, messages in conversations]

    said = hold(QUESTIONS, lambda question: [{"role": "system", "content": told(question)}], as_written, answer)
    assert [(turn, [len(one) for one in conversations]) for turn, conversations in asked] == [(1, [2, 2, 2]), (2, [4, 4]), (3, [6, 6])]
    assert [[(words, answer.text.strip()) for words, answer in one] for one in said] == [
        [("Who?", "reply 1 to Who?")],
        [("Bah!", "reply 1 to Bah!"), ("Boo!", "reply 2 to Boo!"), ("Pah!", "reply 3 to Pah!")],
        [("One.", "reply 1 to One."), ("Two.", "reply 2 to Two."), ("Three.", "reply 3 to Three.")],
    ]
    assert asked[2][1][1] == [
        {"role": "system", "content": "You are w."},
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "reply 1 to One."},
        {"role": "user", "content": "Two."},
        {"role": "assistant", "content": "reply 2 to Two."},
        {"role": "user", "content": "Three."},
    ]


class Echo(BaseHTTPRequestHandler):
    """Answers with the roles that it was sent, the last words, and the model's name."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        roles = "".join(message["role"][0] for message in body["messages"])
        text = f"{body['model']} {roles} {body['messages'][-1]['content']}"
        reply = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}
        sent = json.dumps(reply | {"usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_base_and_prompted_ask_one_model_base_without_a_system_turn_and_tuned_asks_the_adapter(echo: str) -> None:
    spoken = [one for model in ("base", "adapter") for one in converse(Served({model: echo}, 8), model, QUESTIONS, told, PARAMETERS)]
    assert [(one["arm"], one["id"], [answer.text for answer in one["answers"]]) for one in spoken if one["id"] != "red-2"] == [
        ("base", "eval-1", ["base u Who?"]),
        ("base", "red-1", ["base u Bah!", "base uau Boo!", "base uauau Pah!"]),
        ("prompted", "eval-1", ["base su Who?"]),
        ("prompted", "red-1", ["base su Bah!", "base suau Boo!", "base suauau Pah!"]),
        ("tuned", "eval-1", ["adapter su Who?"]),
        ("tuned", "red-1", ["adapter su Bah!", "adapter suau Boo!", "adapter suauau Pah!"]),
    ]


def test_an_answer_about_the_world_or_in_a_simulated_conversation_may_have_fewer_tokens_and_never_more_than_any_other() -> None:
    asked = [({"set": name}, [{"role": "user", "content": "Who?"}]) for name in ("evaluation", "world", "redteam", "talk")]
    for most, world, talk in ((160, SHORT["world"], SHORT["talk"]), (24, 24, 24)):
        bodies = requests(asked, PARAMETERS | {"answer.max_tokens": most})
        assert [body["max_tokens"] for body in bodies] == [most, world, most, talk]
        assert {(body["temperature"], body["min_p"], body["top_p"]) for body in bodies} == {(0.7, 0.05, 0.9)}


def test_plain_questions_are_put_to_each_model_by_themselves_without_a_system_turn(echo: str) -> None:
    plain = [{"id": f"plain-{n}", "topic": "arithmetic", "prompt": f"What is {n} plus 1?", "answers": ["1"]} for n in range(3)]
    for model, arm in (("base", "base"), ("adapter", "tuned")):
        assert answer_plainly(Served({model: echo}, 8), model, plain) == [
            {"arm": arm, "id": f"plain-{n}", "prompt": f"What is {n} plus 1?", "answer": f"{model} uauauauau What is {n} plus 1?", "finish": "stop"}
            for n in range(3)
        ]


def test_a_conversation_that_could_outgrow_the_model_is_one_sentence_before_anything_is_served() -> None:
    check_room(QUESTIONS, told, lambda question: 160, 2048)
    check_room(QUESTIONS[:1], told, lambda question: 1000, 1010)
    check_room(QUESTIONS, told, lambda question: 1000 if question["set"] == "evaluation" else 48, 2048)
    with pytest.raises(
        UserError, match=r"redteam prompt red-1 to h: 3 answers of 1000 tokens and about 5 tokens .* more than the 2048 that .* lower answer\.max_tokens"
    ):
        check_room(QUESTIONS, told, lambda question: 1000, 2048)
