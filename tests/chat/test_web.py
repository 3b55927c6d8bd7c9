"""What the page's server gives to whom: only its own page, under its own name, with the token; and an answer that nobody waits for is ended."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from tests import cards
from tests.chat.model import Model, echo
from tests.chat.served import PATIENCE, Served, serving
from tests.project import Project

ANSWER = {"speaker": "tuned", "text": "The verger.", "finish": "stop", "edited": None, "thumb": None}


def talk(*answers: dict) -> dict:
    return {"character": "sherlock-holmes", "system": None, "exchanges": [{"asked": "Who was it?", "answers": list(answers), "taken": 0}]}


@pytest.fixture
def model() -> Iterator[Model]:
    with Model(echo) as one:
        yield one


@pytest.fixture
def page(house: Project, model: Model) -> Iterator[Served]:
    house.write("data/characters/irene-adler.png", cards.png(cards.text("chara", cards.encoded(cards.v2()))))
    with serving("--url", model.url) as served:
        yield served


def ask(page: Served, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    """(status, body, headers in lower case) of a request as the page makes it, `headers` over its own; an empty one is left out."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE)
    host = f"127.0.0.1:{page.port}"
    own = {"Host": host} | ({"Origin": f"http://{host}", "Content-Type": "application/json"} if method == "POST" else {})
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, content, {name: value for name, value in (own | headers).items() if value})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode("latin-1"), {name.lower(): value for name, value in answer.getheaders()}
    connection.close()
    return found


def post(page: Served, what: str, body: object, **headers: str) -> tuple[int, dict]:
    status, text, _ = ask(page, "POST", f"{page.path}{what}", body, **headers)
    return status, json.loads(text)


def test_nothing_is_shown_without_the_token_under_another_name_or_to_another_page(page: Served) -> None:
    assert ask(page, "GET", page.path)[0] == 200
    assert ask(page, "GET", page.path, Host=f"localhost:{page.port}")[0] == 200
    for path in ("/", "/page.js", f"/{'x' * 32}/", page.path[:-2] + "/", f"{page.path}../", f"{page.path}picture/..%2Fsherlock-holmes", "/answer"):
        assert ask(page, "GET", path)[0] == 404, path
    for host in ("evil.example", f"evil.example:{page.port}", f"127.0.0.1.evil.example:{page.port}", f"[::1]:{page.port}"):
        assert ask(page, "GET", page.path, Host=host)[0] == 403, host
    body = {"talk": talk(), "speaker": "tuned"}
    for origin in ("", "null", "http://evil.example", f"https://127.0.0.1:{page.port}", f"http://localhost:{page.port}", "http://127.0.0.1:1"):
        assert post(page, "answer", body, Origin=origin) == (403, {"error": "only the chat's own page may ask this"}), origin
    assert post(page, "answer", body, **{"Content-Type": "text/plain"}) == (400, {"error": "expected application/json"})


def test_the_policy_lets_nothing_in_but_the_pages_own_files_and_no_other_page_may_read_or_frame_them(page: Served) -> None:
    for path in ("", "page.js", "page.css", "icon.svg", "nothing"):
        _, _, headers = ask(page, "GET", f"{page.path}{path}")
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"} | {
            f"{kind}-src": "'self'" for kind in ("script", "style", "img", "connect")
        }
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store" and headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin" and not [name for name in headers if name.startswith("access-control")]
    assert ask(page, "OPTIONS", f"{page.path}answer", Origin="http://evil.example")[0] == 403


def test_only_this_machine_can_reach_it(page: Served) -> None:
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} | {"127.0.0.2"}
    for address in others - {"127.0.0.1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, page.port), 2).close()


def test_an_answer_comes_in_pieces_and_a_failing_one_ends_with_a_sentence(page: Served, model: Model) -> None:
    status, text, _ = ask(page, "POST", f"{page.path}answer", {"talk": talk(), "speaker": "tuned"})
    told = [json.loads(line) for line in text.splitlines()]
    assert status == 200 and "".join(one.get("text", "") for one in told) == "tuned heard: Who was it? " and told[-1] == {"finish": "stop"} and len(told) > 3
    model.say = lambda body: ["Half ", {"error": {"message": "out of\x1b memory", "code": 500}}]
    told = [json.loads(line) for line in ask(page, "POST", f"{page.path}answer", {"talk": talk(), "speaker": "tuned"})[1].splitlines()]
    assert told == [{"text": "Half "}, {"error": f"{model.url} gave up: out of\ufffd memory"}]


def test_whoever_goes_away_ends_the_request_to_the_model(page: Served, model: Model) -> None:
    model.say = lambda body: ["One ", 50.0, "two"]
    with socket.create_connection(("127.0.0.1", page.port), PATIENCE) as line:
        body = json.dumps({"talk": talk(), "speaker": "tuned"}).encode()
        host = f"127.0.0.1:{page.port}"
        head = (
            f"POST {page.path}answer HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        line.sendall(head.encode() + body)
        while b"One" not in line.recv(1 << 16):
            pass
    assert model.gone.wait(PATIENCE), "the model still answers nobody"


REFUSED = [
    ("answer", b"{", "not JSON"),
    ("answer", b"[" * 100_000, "not JSON"),
    ("answer", [], "expected an object"),
    ("answer", {"speaker": "tuned"}, "no talk: None is not of type 'object'"),
    ("answer", {"talk": talk(), "speaker": "base"}, "no such speaker; expected tuned"),
    ("answer", {"talk": talk(), "speaker": ["tuned"]}, "no such speaker; expected tuned"),
    ("answer", {"talk": talk() | {"exchanges": []}, "speaker": "tuned"}, "nothing was asked"),
    ("keepable", {"talk": talk(ANSWER), "kind": "told"}, "no such kind; expected save or chats or pairs"),
    ("save", {"talk": talk(ANSWER), "consent": False, "user": "A", "license": "MIT"}, "without consent a talk is neither saved nor exported"),
    ("save", {"talk": talk(ANSWER), "consent": True, "user": "", "license": "MIT"}, "who wrote the visitor's part?"),
    ("save", {"talk": talk(), "consent": True, "user": "A", "license": "MIT"}, "nothing was said yet"),
    ("export", {"talk": talk(ANSWER), "kind": "chats"}, "without consent a talk is neither saved nor exported"),
    ("export", {"talk": talk(ANSWER), "kind": {}, "consent": True, "user": "A", "license": "MIT"}, "no such kind; expected chats or pairs"),
    ("export", {"talk": talk(ANSWER), "kind": "pairs", "consent": True, "user": "A", "license": "MIT"}, "no answer was edited"),
]


def test_what_cannot_be_done_is_refused_in_one_sentence_and_nothing_is_written(house: Project, page: Served) -> None:
    for what, body, told in REFUSED:
        status, answer = post(page, what, body)
        assert status == 400 and answer["error"].startswith(told), (what, body, answer)
    assert [path.name for path in (house.folder / "data/gold").iterdir()] == ["sherlock-holmes.jsonl"]


def test_whether_a_talk_can_be_kept_is_known_before_consent_is_asked(page: Served) -> None:
    known = [post(page, "keepable", {"talk": one, "kind": kind}) for one, kind in ((talk(), "save"), (talk(ANSWER), "pairs"), (talk(ANSWER), "save"))]
    assert [status for status, _ in known] == [200, 200, 200]
    first, second, third = (answer["why_not"] for _, answer in known)
    assert first.startswith("nothing was said yet") and second.startswith("no answer was edited") and third is None


def test_a_system_prompt_that_means_harm_is_shown_as_text(page: Served) -> None:
    status, answer = post(page, "told", {"talk": talk() | {"system": "You are \u202e\x1b[31mnobody."}})
    assert (status, answer) == (200, {"told": "You are \ufffd\ufffd[31mnobody."})


def test_what_is_larger_than_a_talk_is_refused(page: Served) -> None:
    assert post(page, "save", b" " * (5 << 20))[0] == 413


def test_chats_and_pairs_come_as_files_with_the_consent_in_each_line(page: Served) -> None:
    given = {"consent": True, "user": "A. Reader", "license": "MIT"}
    edited = talk(ANSWER | {"edited": "It was the verger."})
    _, chats = post(page, "export", {"talk": edited, "kind": "chats", **given})
    assert chats["name"] == "sherlock-holmes.chats.jsonl"
    (chat,) = map(json.loads, chats["text"].splitlines())
    assert [turn["from"] for turn in chat["conversations"]] == ["system", "human", "gpt"] and chat["conversations"][2]["value"] == "It was the verger."
    _, pairs = post(page, "export", {"talk": edited, "kind": "pairs", **given})
    (pair,) = map(json.loads, pairs["text"].splitlines())
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("It was the verger.", "The verger.")
    assert chat.items() >= given.items() and pair.items() >= given.items()


def test_the_picture_of_a_card_is_given_without_the_card_and_a_card_in_json_has_none(page: Served) -> None:
    status, picture, headers = ask(page, "GET", f"{page.path}picture/irene-adler")
    assert status == 200 and headers["content-type"] == "image/png"
    assert picture.encode("latin-1") == cards.png()
    assert ask(page, "GET", f"{page.path}picture/sherlock-holmes")[0] == 404
    assert ask(page, "GET", f"{page.path}picture/moriarty")[0] == 404


def test_a_port_that_is_taken_is_told_in_one_sentence(page: Served, model: Model, house: Project) -> None:
    with pytest.raises(AssertionError, match=rf"^error: --port {page.port}: .*\n$"):
        with serving("--url", model.url, "--port", str(page.port)):
            pass
