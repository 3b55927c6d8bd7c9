"""The chat in a real terminal (a pty), with a server that streams what the test wishes: commands, keys, consent, failures, and text that means harm."""

from __future__ import annotations

import codecs
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from tests.chat.model import Model, echo
from tests.project import Project
from tools.chat.terminal import Column

PATIENCE = 60.0
TALKS = "data/gold/sherlock-holmes.talks.jsonl"
STYLE = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?2004[hl]|\x01|\x02")  # colours, and readline's switch for pasted text


class Typist:
    """`python -m tools.chat` on a pty, typed to and read."""

    def __init__(self, *arguments: str, columns: int = 80, **environment: str):
        self.terminal, child = pty.openpty()
        surroundings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40", "PYTHONDONTWRITEBYTECODE": "1", **environment}
        command = [sys.executable, "-m", "tools.chat", *arguments]
        self.process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=surroundings, start_new_session=True)
        os.close(child)
        self.raw, self._read = "", 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def type(self, text: str) -> None:
        os.write(self.terminal, text.encode())

    def until(self, wanted: str) -> str:
        """What was shown since the last time, up to the end of `wanted`, without colours."""
        until = time.monotonic() + PATIENCE
        while True:
            shown = STYLE.sub("", self.raw[self._read :]).replace("\r\n", "\n")
            if wanted in shown:
                self._read = len(self.raw)
                return shown
            assert time.monotonic() < until, f"{wanted!r} never came: {shown!r}"
            if select.select([self.terminal], [], [], 0.2)[0]:
                try:
                    self.raw += self._decoder.decode(os.read(self.terminal, 1 << 16))
                except OSError:
                    raise AssertionError(f"{wanted!r} never came, the chat ended: {shown!r}") from None

    def asks(self) -> str:
        """What was shown until it asks again."""
        return self.until("You \u203a ")

    def say(self, words: str) -> str:
        """Type a line, and return what is shown until the chat asks again."""
        self.type(f"{words}\n")
        return self.asks()

    def leave(self, key: str = "\x04") -> int:
        self.type(key)
        self.process.wait(PATIENCE)
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def start(house: Project):
    """Starts chats with a server, which end with the test."""
    open_ones: list[Typist] = []

    def begin(model: Model, *arguments: str, **options) -> Typist:
        open_ones.append(Typist("--url", model.url, *arguments, **options))
        return open_ones[-1]

    yield begin
    for one in open_ones:
        one.close()


Start = Callable[..., Typist]


def test_a_talk_streams_and_goes_on_with_what_was_said_and_ctrl_d_ends_it(start: Start) -> None:
    with Model(echo) as model:
        chat = start(model)
        assert "Sherlock Holmes\n  Come in, and take the basket chair" in chat.asks()
        assert "tuned heard: Good evening." in chat.say("Good evening.")
        assert "tuned heard: And now?" in chat.say("And now?")
        assert chat.leave() == 0
    assert [one["content"] for one in model.requests[1]["messages"][1:]] == ["Good evening.", "tuned heard: Good evening.", "And now?"]
    assert model.requests[0]["messages"][0]["content"].startswith("You are Sherlock Holmes")
    fields = {name: model.requests[0][name] for name in ("model", "temperature", "top_p", "min_p", "max_tokens", "stream")}
    assert fields == {"model": "tuned", "temperature": 0.7, "top_p": 1.0, "min_p": 0.05, "max_tokens": 160, "stream": True}


def test_words_are_shown_as_they_come_in_lines_that_end_between_words(start: Start) -> None:
    with Model(lambda body: ["An an", "swer ", 1.0, "in **two** [bold]parts[/bold] and so long that no line of forty holds it."]) as model:
        chat = start(model, columns=40)
        chat.asks()
        chat.type("Well?\n")
        assert "in" not in chat.until("  An answer").partition("An answer")[2]
        shown = chat.asks()
        assert "[bold]parts[/bold]" in shown and "**two**" in shown
        assert all(len(line) <= 40 for line in shown.split("\n"))


def test_text_that_means_harm_to_a_terminal_is_shown_and_does_nothing(start: Start) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x1b\\\x9b31m\u202egpj.exe [red]x[/red] :smile:\x08\x08"
    with Model(lambda body: [hostile[:9], hostile[9:]], names=("\x1b]0;owned\x07",)) as model:
        chat = start(model, "--model", "\x1b]0;owned\x07")
        chat.asks()
        shown = chat.say("Well?")
        assert "\ufffd]52;c;b3duZWQ=\ufffd\\\ufffd31m\ufffdgpj.exe [red]x[/red] :smile:" in shown
    assert not re.search(r"\x1b[\]P^_X]|\x1b\[[0-9;]*[A-LN-Za-ln-z]|[\x07\x08\x80-\x9f\u202e]", STYLE.sub("", chat.raw))


def test_the_last_place_before_the_terminal_lets_no_control_sequence_through_whoever_wrote_it() -> None:
    shown = io.StringIO()
    column = Column(Console(file=shown, width=20, force_terminal=True))
    for piece in ("\x1b[2", "J one\u202e", " \x9b31m two\r\nthree", "x" * 50):
        column.add(piece)
    column.end()
    assert shown.getvalue() == f"  \ufffd[2J one\ufffd \ufffd31m two\n  three{'x' * 13}\n  {'x' * 18}\n  {'x' * 18}\n  x\n"


def test_a_refusal_quotes_the_server_without_its_control_sequences(start: Start) -> None:
    with Model(lambda body: [{"status": 400, "message": "too\x1b[2J\nlong"}] if len(body["messages"]) < 4 else ["Now."]) as model:
        chat = start(model)
        chat.asks()
        assert f"error: {model.url} answered with status 400: too\ufffd[2J long. /retry asks again" in chat.say("Well?").replace("\n", " ")


def test_ctrl_c_stops_the_answer_and_not_the_chat(start: Start) -> None:
    with Model(lambda body: ["One ", "two ", "three", 50.0, "four"] if len(body["messages"]) == 2 else echo(body)) as model:
        chat = start(model)
        chat.asks()
        chat.type("Count.\n")
        chat.until("One two")
        os.kill(chat.process.pid, signal.SIGINT)
        assert "(stopped)" in chat.asks()
        assert model.gone.wait(PATIENCE), "the server still answers nobody"
        assert "tuned heard: Go on." in chat.say("Go on.")
        assert model.requests[1]["messages"][2]["content"].startswith("One two")
        # Python's readline can miss a signal between its prompt and its wait for a key (it then takes effect with the next one): a reader presses again.
        while not select.select([chat.terminal], [], [], 2.0)[0]:
            os.kill(chat.process.pid, signal.SIGINT)
        assert "Ctrl-D or /quit ends the chat." in chat.asks()
        assert chat.leave("/quit\n") == 0


def test_retry_undo_edit_new_and_system_change_what_the_model_hears(start: Start) -> None:
    numbers = iter(range(1, 100))
    with Model(lambda body: [f"Answer {next(numbers)}."]) as model:
        chat = start(model)
        chat.asks()
        assert "nothing to answer again" in chat.say("/retry") and "nothing to take back" in chat.say("/undo")
        chat.say("First?")
        assert "Answer 2." in chat.say("/retry")
        assert "  My own words." in chat.say("/edit My own words.")
        chat.say("Second?")
        assert "Taken back: Second?" in chat.say("/undo")
        assert "You are a tired Sherlock Holmes." in chat.say("/system You are a tired {{char}}.")
        chat.say("Third?")
        assert [one["content"] for one in model.requests[-1]["messages"]] == ["You are a tired Sherlock Holmes.", "First?", "My own words.", "Third?"]
        assert "You are Sherlock Holmes, the consulting detective" in chat.say("/system default")
        chat.say("/new")
        chat.say("Fourth?")
        assert len(model.requests[-1]["messages"]) == 2
        assert "no command /nonsense; /help lists them" in chat.say("/nonsense")
        assert "/character NAME" in chat.say("/help")


def test_another_character_begins_another_talk(house: Project, start: Start) -> None:
    house.add_card("watson", name="Dr. Watson", first_mes="Pray sit down.")
    with Model(echo) as model:
        chat = start(model)
        chat.asks()
        assert "sherlock-holmes  (this talk)\n  watson" in chat.say("/character")
        assert "no character 'moriarty'; cards: sherlock-holmes, watson" in chat.say("/character moriarty")
        assert "Dr. Watson\n  Pray sit down." in chat.say("/character watson")


def test_a_talk_is_saved_with_consent_and_without_it_there_is_no_file(house: Project, start: Start) -> None:
    with Model(lambda body: ["The verger."]) as model:
        chat = start(model)
        chat.asks()
        assert "nothing to save" in chat.say("/save")
        model.finish = "length"
        chat.say("Who was it?")
        assert "answer 1 breaks off before its end" in chat.say("/save"), "before anybody is asked for consent"
        model.finish = "stop"
        chat.say("/retry")
        for answers in (["n"], [""], ["y", ""], ["y", "A. Reader", "my own"], ["y", "\x04"]):
            chat.type("/save\n")
            for question, answer in zip(("[y/N] ", "initials) ", "[CC-BY-4.0] "), answers, strict=False):
                chat.until(question)
                chat.type(answer if answer == "\x04" else f"{answer}\n")
                if answers == ["y", ""] and answer == "":
                    chat.until("[CC-BY-4.0] ")
                    chat.type("\n")
            chat.asks()
            assert not (house.folder / TALKS).exists(), answers
        chat.type("/save\ny\nA. Reader\n\n")
        chat.until(f"Saved: {TALKS}:1.")
    ((saved),) = house.records(TALKS)
    turns = [{"from": "human", "value": "Who was it?"}, {"from": "gpt", "value": "The verger."}]
    assert saved == {"user": "A. Reader", "license": "CC-BY-4.0", "consent": True, "conversations": turns}


def test_both_answer_and_the_talk_goes_on_with_the_tuned_one(start: Start) -> None:
    with Model(echo) as model:
        chat = start(model, "--compare")
        chat.asks()
        shown = chat.say("Well?")
        assert shown.index("Sherlock Holmes (base)\n  base heard: Well?") < shown.index("Sherlock Holmes (tuned)\n  tuned heard: Well?")
        chat.say("And?")
    assert [one["messages"][2]["content"] for one in model.requests[2:]] == ["tuned heard: Well?"] * 2
    assert model.requests[0]["messages"] == model.requests[1]["messages"]


FAILURES = [
    ([], "stop", "the model said nothing"),
    (["Half an"], "", "the server broke off in the middle of its answer"),
    (["Half", {"error": {"message": "out of memory", "code": 500}}], "stop", "gave up: out of memory"),
    ([{"status": 503, "message": "later"}], "stop", "answered with status 503: later"),
    ([{"status": 401, "message": "who?"}], "stop", "asks for a key, and the environment variable of --api-key-env (DRAMATIS_API_KEY) holds none: who?"),
    ([{"choices": 7}], "stop", "sent what is no answer of a chat model"),
]


def test_an_answer_that_fails_is_one_sentence_and_the_chat_goes_on(start: Start) -> None:
    with Model(echo) as model:
        chat = start(model)
        chat.asks()
        for said, model.finish, told in FAILURES:
            model.say = lambda body, said=said: said
            shown = chat.say("Well?")
            assert told in shown.replace("\n", " ") and "Traceback" not in shown
        model.say, model.finish = echo, "stop"
        assert "tuned heard: Well?" in chat.say("/retry")
    assert len(model.requests[-1]["messages"]) == 2


def test_a_server_that_ends_in_the_middle_of_the_chat_is_told_in_one_sentence(start: Start) -> None:
    with Model(echo) as model:
        chat = start(model)
        chat.asks()
    assert f"error: nothing answers at {model.url}. /retry asks again" in chat.say("Well?").replace("\n", " ")


def test_an_answer_that_reached_its_limit_says_so(start: Start) -> None:
    with Model(lambda body: ["And so"], finish="length") as model:
        chat = start(model)
        chat.asks()
        assert "(cut off after 160 tokens, answer.max_tokens)" in chat.say("Well?")


def test_the_key_comes_from_the_environment(start: Start) -> None:
    with Model(echo) as model:
        start(model, "--api-key-env", "OUR_KEY", OUR_KEY="sesame").asks()
    assert model.headers[0]["authorization"] == "Bearer sesame"


def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(house: Project) -> None:
    command, environment = [sys.executable, "-m", "tools.chat", "--url", "http://127.0.0.1:9/v1"], {**os.environ, "DRAMATIS_API_KEY": "schl\u00fcssel\nzwei"}
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)
    assert (done.returncode, done.stderr) == (1, "error: DRAMATIS_API_KEY: expected a key of visible ASCII characters\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--character", "moriarty"], "no character 'moriarty'; cards: sherlock-holmes"),
        (["--url", "ftp//x"], "--url is no address; expected https://HOST/v1 or the like, without user, password, query or fragment"),
        (["--url", "http://127.0.0.1:9/v1"], "nothing answers at http://127.0.0.1:9/v1"),
        (["--url", "http://127.0.0.1:9/v1", "--force", "x"], "--force is for the model that the chat starts itself"),
        (["--model", "x"], "--model names a model of the server at --url, which is missing"),
        (["--port", "1"], "--port is the page's: it needs --web"),
        (["--web", "--port", "99999"], "--port 99999: expected 1 to 65535, or 0 for a free one"),
        ([], "metrics/gate.json: no such file; run `dvc repro` first"),
    ],
)
def test_what_cannot_be_started_is_one_sentence(house: Project, arguments: list[str], told: str) -> None:
    done = subprocess.run([sys.executable, "-m", "tools.chat", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and done.stderr.startswith(f"error: {told}") and done.stderr.count("\n") == 1, done.stderr


def test_a_model_that_fails_the_gate_is_not_started_unless_each_bound_is_forced(house: Project) -> None:
    house.write(
        "metrics/gate.json",
        '{"passed": 0, "bounds": 1, "failed": 1, "tuned.empty_rate.value": 0.5, "tuned.empty_rate.max": 0.02, "tuned.empty_rate.passed": 0}',
    )

    def told(*arguments: str) -> str:
        return subprocess.run([sys.executable, "-m", "tools.chat", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL).stderr

    assert told().startswith("error: metrics/gate.json: the model fails tuned.empty_rate is 0.5; at most 0.02")
    assert told("--force", "tuned.empty_rate").startswith("error: models/merged: no such folder")


def test_a_server_of_several_models_needs_a_name_and_a_comparison_needs_the_base(house: Project) -> None:
    def told(model: Model, *arguments: str) -> str:
        command = [sys.executable, "-m", "tools.chat", "--url", model.url, *arguments]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL).stderr.replace(model.url, "URL")

    with Model(echo, names=("one", "two")) as model:
        assert told(model) == "error: URL serves one, two; say by --model which of them is the character\n"
        assert told(model, "--model", "three") == "error: URL serves one, two; expected three too\n"
        assert told(model, "--model", "one", "--compare") == "error: URL serves one, two; expected base too\n"
        assert told(model, "--model", "one") == ""
