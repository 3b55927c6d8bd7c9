"""What is asked of whom, and what is said of a prompt file that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answer.__main__ import ARMS, ask_whom, opening, requests, rows
from stages.answer.questions import pose, read
from stages.answer.situations import talks
from stages.common.answer_store import Answer
from stages.common.errors import UserError
from tests.chats import jsonl, make_chat

CARDS = {name: {"name": name} for name in ("elizabeth-bennet", "john-silver", "sherlock-holmes")}
PROMPTS = [
    {"id": "eval-001", "topic": "cases", "character": "sherlock-holmes", "prompt": "Who was it?"},
    {"id": "eval-002", "topic": "small-talk", "prompt": "A cold day."},
    {"id": "eval-003", "topic": "crew", "character": "john-silver", "prompt": "Who struck him?"},
]
READ = [{key: value for key, value in prompt.items() if key != "prompt"} | {"prompts": [prompt["prompt"]]} for prompt in PROMPTS]
SITUATION = {"situation": "hostile", "visitor": "You hate {{char}}.", "prompts": ["Bah!", "Boo!"]}
PARAMETERS = {
    "answer.limit": None,
    "answer.talks": None,
    "answer.seed": 11,
    "answer.temperature": 0.7,
    "answer.seeds": 1,
    "answer.min_p": 0.05,
    "answer.top_p": 0.9,
    "answer.max_tokens": 160,
}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "evaluation.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def test_a_prompt_goes_to_the_character_that_it_names_or_to_all(tmp_path: Path) -> None:
    prompts = read(written(tmp_path, *PROMPTS), "topic", CARDS)
    assert [(prompt["id"], prompt["prompts"]) for prompt in prompts] == [(prompt["id"], [prompt["prompt"]]) for prompt in PROMPTS]
    assert [(question["id"], question["character"]) for question in pose("evaluation", prompts, "topic", sorted(CARDS))] == [
        ("eval-001", "sherlock-holmes"),
        ("eval-002", "elizabeth-bennet"),
        ("eval-002", "john-silver"),
        ("eval-002", "sherlock-holmes"),
        ("eval-003", "john-silver"),
    ]


def test_a_prompt_for_a_character_whom_the_test_split_does_not_know_is_skipped() -> None:
    (only,) = pose("evaluation", READ, "topic", ["elizabeth-bennet"])
    assert only == {"set": "evaluation", "id": "eval-002", "kind": "small-talk", "character": "elizabeth-bennet", "prompts": ["A cold day."]}


def test_prompts_of_several_turns_are_read_in_their_order_beside_those_of_one(tmp_path: Path) -> None:
    pressed = {"id": "eval-004", "topic": "crew", "prompts": ["Who are you?", "No, really?", "Swear it."]}
    prompts = read(written(tmp_path, pressed, PROMPTS[1]), "topic", CARDS)
    assert [prompt["prompts"] for prompt in prompts] == [["Who are you?", "No, really?", "Swear it."], ["A cold day."]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (PROMPTS[0] | {"character": "watson"}, ":2: the prompt is for 'watson', who has no card; data/characters has elizabeth-bennet, john-silver, sher"),
        (PROMPTS[0] | {"character": None}, ":2: character is None; expected some words"),
        (PROMPTS[0] | {"character": ["john-silver"]}, r":2: character is \['john-silver'\]; expected some words"),
        (
            PROMPTS[1] | {"charakter": "john-silver"},
            ":2: found charakter, id, prompt, topic; expected an object with id, topic, prompt or prompts, and perhaps character",
        ),
        ({"id": "a", "prompt": "b"}, ":2: found id, prompt; expected an object with id, topic"),
        (PROMPTS[1] | {"prompt": "  "}, ":2: prompt is '  '; expected some words"),
        (PROMPTS[1] | {"prompts": ["b"]}, ":2: found id, prompt, prompts, topic; expected an object with id, topic, prompt or prompts"),
        ({"id": "a", "topic": "b", "prompts": "Who?"}, ":2: prompts is 'Who\\?'; expected a list of at least one, turn by turn"),
        ({"id": "a", "topic": "b", "prompts": []}, r":2: prompts is \[\]; expected a list of at least one"),
        ({"id": "a", "topic": "b", "prompts": ["Who?", 7]}, ":2: prompt is 7; expected some words"),
        ([1], ":2: found list; expected an object"),
        ("{oops", ":2: not JSON: "),
    ],
)
def test_a_line_that_is_no_prompt_is_one_sentence_with_file_and_line(tmp_path: Path, line: object, said: str) -> None:
    with pytest.raises(UserError, match=rf"evaluation\.jsonl{said}"):
        read(written(tmp_path, PROMPTS[1], line), "topic", CARDS)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_whatever_json_stands_in_a_line_is_a_prompt_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    folder = tmp_path_factory.getbasetemp()
    for line in (value, PROMPTS[0] | {"character": value}, PROMPTS[0] | {"prompt": value}, READ[0] | {"prompts": value}):
        try:
            (prompt,) = read(written(folder, json.dumps(line)), "topic", CARDS)
            assert prompt["character"] in CARDS and prompt["prompts"] and all(turn.strip() for turn in prompt["prompts"])
        except UserError as error:
            assert "evaluation.jsonl:1: " in str(error)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the prompt files and a test split of Silver and Holmes; only Holmes and Bennet have a world that is asked about."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/prompts").mkdir(parents=True)
    (tmp_path / "data/splits").mkdir()
    (tmp_path / "data/prompts/evaluation.jsonl").write_text(jsonl(PROMPTS))
    (tmp_path / "data/prompts/redteam.jsonl").write_text(jsonl([{"id": "red-001", "category": "hostile", "prompt": "Bah!"}]))
    about = {"kind": "unknowable", "topic": "after-his-time", "prompt": "What is a telephone?", "invented": []}
    world = [about | {"id": f"world-{n}", "character": name} for n, name in enumerate(["elizabeth-bennet", *["sherlock-holmes"] * 3])]
    (tmp_path / "data/prompts/world.jsonl").write_text(jsonl(world))
    situations = [SITUATION | {"id": "talk-1"}, SITUATION | {"id": "talk-2", "character": "elizabeth-bennet"}]
    (tmp_path / "data/prompts/situations.jsonl").write_text(jsonl(situations))
    (tmp_path / "data/splits/test.jsonl").write_text(jsonl(make_chat("Who?", "He.", character=name) for name in ("sherlock-holmes", "john-silver")))
    return tmp_path


def test_the_stage_asks_the_characters_of_the_test_split_in_all_sets_and_whom_there_are_questions_for_about_the_world(project: Path) -> None:
    assert [(question["set"], question["id"], question["character"]) for question in ask_whom(CARDS, PARAMETERS)] == [
        ("evaluation", "eval-001", "sherlock-holmes"),
        ("evaluation", "eval-002", "john-silver"),
        ("evaluation", "eval-002", "sherlock-holmes"),
        ("evaluation", "eval-003", "john-silver"),
        ("redteam", "red-001", "john-silver"),
        ("redteam", "red-001", "sherlock-holmes"),
        ("world", "world-1", "sherlock-holmes"),
        ("world", "world-2", "sherlock-holmes"),
        ("world", "world-3", "sherlock-holmes"),
        ("talk", "talk-1", "john-silver"),
        ("talk", "talk-1", "sherlock-holmes"),
    ]


def test_the_limit_counts_the_questions_of_each_set_over_all_characters(project: Path) -> None:
    asked = ask_whom(CARDS, PARAMETERS | {"answer.limit": 2, "answer.talks": 1})
    assert [question["set"] for question in asked] == ["evaluation", "evaluation", "redteam", "redteam", "world", "world", "talk"]
    assert {question["character"] for question in asked[:2]} == {"john-silver", "sherlock-holmes"}


def test_no_simulated_conversation_is_held_where_none_is_wanted(project: Path) -> None:
    assert "talk" not in {question["set"] for question in ask_whom(CARDS, PARAMETERS | {"answer.talks": 0})}


def test_a_set_without_a_prompt_for_anybody_is_one_sentence_before_anything_is_served(project: Path) -> None:
    (project / "data/prompts/redteam.jsonl").write_text(jsonl([{"id": "red-001", "category": "hostile", "prompt": "Bah!", "character": "elizabeth-bennet"}]))
    with pytest.raises(UserError, match=r"redteam\.jsonl: no prompt for john-silver, sherlock-holmes; expected at least one"):
        ask_whom(CARDS, PARAMETERS)


def told(question: dict) -> str:
    return f"You are {question['character']}; {question['prompts']}"


def test_prompted_and_tuned_are_told_the_system_prompt_of_their_own_question_and_base_nothing() -> None:
    for question in pose("evaluation", READ, "topic", sorted(CARDS)):
        before = {arm: opening({"arm": arm, **question}, told) for arm in ARMS}
        assert before["base"] == []
        assert before["prompted"] == before["tuned"] == [{"role": "system", "content": told(question)}]


def test_a_request_has_the_messages_of_its_conversation_and_explicit_sampling() -> None:
    conversations = [({"set": "evaluation"}, [{"role": "user", "content": text}]) for text in ("Who?", "Where?")]
    sent = requests(conversations, PARAMETERS)
    assert [body["messages"] for body in sent] == [messages for _, messages in conversations]
    assert all((body["temperature"], body["min_p"], body["top_p"], body["max_tokens"]) == (0.7, 0.05, 0.9, 160) for body in sent)


def said(question: dict, *words: str) -> dict:
    """A conversation of tuned's in which the visitor said these words."""
    return {"arm": "tuned", "sample": 1, **question, "said": list(words), "answers": [Answer(" Aye. ", "stop", 9, 3), Answer("And", "length", 20, 1)]}


def test_each_turn_is_a_line_with_its_number_its_prompt_and_its_answer() -> None:
    (question,) = pose("redteam", [{"id": "red-1", "category": "hostile", "prompts": ["Bah!", "Boo!"]}], "category", ["john-silver"])
    lines = rows(said(question, "Bah!", "Boo!"))
    shared = {"arm": "tuned", "set": "redteam", "id": "red-1", "kind": "hostile", "character": "john-silver"}
    assert lines == [
        shared | {"turn": 1, "prompt": "Bah!", "answer": "Aye.", "finish": "stop"},
        shared | {"turn": 2, "prompt": "Boo!", "answer": "And", "finish": "length"},
    ]


def test_a_line_of_a_simulated_conversation_has_what_the_visitor_said_and_whether_it_is_the_files() -> None:
    (question,) = talks([SITUATION | {"id": "talk-1"}], CARDS, ["john-silver"])
    shared = {"arm": "tuned", "id": "talk-1", "kind": "hostile", "character": "john-silver"}
    assert rows(said(question, "Bah!", "You rogue!")) == [
        shared | {"turn": 1, "prompt": "Bah!", "written": True, "answer": "Aye.", "finish": "stop"},
        shared | {"turn": 2, "prompt": "You rogue!", "written": False, "answer": "And", "finish": "length"},
    ]
