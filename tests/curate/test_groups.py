"""Chats that belong together get one group, of which only a hash is kept, and no others do."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.curate.formats import Told, told
from stages.curate.groups import group, groups, user_group
from stages.curate.records import read
from tests.chats import gold_line
from tests.project import Project

SAID = {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "The verger."}]}
MESSAGES = {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "The verger."}]}
PIPPA = {"conversation": [{"message": "Who?", "is_human": True}, {"message": "The verger.", "is_human": False}]}
ALPACA = {"instruction": "Who?", "output": "The verger."}
CHATGPT = {
    "mapping": {
        "a": {"message": {"author": {"role": "user"}, "content": {"parts": ["Who?"]}}, "children": ["b"]},
        "b": {"message": {"author": {"role": "assistant"}, "content": {"parts": ["The verger."]}}, "children": []},
    }
}
TREE = {"prompt": {"text": "Who?", "role": "prompter", "replies": [{"text": "The verger.", "role": "assistant", "replies": []}]}}
FORMATS = {"sharegpt": SAID, "openai": MESSAGES, "pippa": PIPPA, "alpaca": ALPACA, "chatgpt": CHATGPT, "tree": TREE}


def group_of(*lines: object, kind: str = "log") -> str | None:
    ((_, one),) = told(read(iter(["".join(json.dumps(line) + "\n" for line in lines).encode()])))
    assert isinstance(one, Told), one
    return group(one.groups, kind)


@pytest.mark.parametrize("said", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(
    "about",
    [
        {"user_id": "u-7"},
        {"metadata": {"userId": "u-7"}},
        {"user": {"id": "u-7", "name": "Ann"}},
        {"username": "u-7"},
        {"user_name": "u-7"},
        {"user_id": " u-7 ", "conversation_id": "c-1"},
    ],
    ids=["id", "id in metadata", "user object", "handle", "name", "id and conversation"],
)
def test_one_users_chats_are_a_group_in_every_format(said: dict, about: dict) -> None:
    assert group_of({**said, **about}) == user_group(["u-7"]) is not None
    assert group_of({**said, **about, "user_id": "u-8"}) == user_group(["u-8"])


@pytest.mark.parametrize("said", FORMATS.values(), ids=FORMATS)
def test_a_conversation_is_a_group_where_no_user_is_known_and_a_books_scene_before_all(said: dict) -> None:
    tree = group_of({**said, "message_tree_id": "t-1"})
    assert tree is not None and tree != user_group(["t-1"])
    assert group_of({**said, "message_tree_id": "t-1", "id": "another row"}) == tree != group_of({**said, "message_tree_id": "t-2"})
    scene = group_of({**said, "book": "Emma", "scene": 3, "user_id": "u-7"}, kind="book")
    assert scene == group_of({**said, "book": "emma", "scene": 3.0, "conversation_id": "c"})
    assert group_of({**said, "book": "Emma", "scene": 3, "user_id": "u-7"}) == user_group(["U-7"]), "one user's logs stay together in whatever scene"
    assert len({scene, tree, group_of({**said, "book": "Emma", "scene": 4}), group_of({**said, "book": "Persuasion", "scene": 3})}) == 4


@pytest.mark.parametrize("said", FORMATS.values(), ids=FORMATS)
def test_a_chat_without_such_an_id_has_no_group(said: dict) -> None:
    assert group_of(said) is None
    assert group_of({**said, "id": "row-1", "consent": True, "topic": "cases", "chapter": 4}) is None
    assert group_of({**said, "user_name": "You", "user_id": "", "conversation_id": None}) is None


def test_rows_of_a_table_and_sillytavern_files_have_the_groups_of_their_users() -> None:
    text = "assistant,user,user_id,chat_id\nThe verger.,Who?,u-7,1\nThe verger.,Why?,u-7,2\n"
    assert [one.groups["user"] for _, one in told(read(iter([text.encode()])))] == [user_group(["u-7"])] * 2
    text = "assistant,user\nThe verger.,Who?\n"
    assert [one.groups for _, one in told(read(iter([text.encode()])))] == [{}]
    messages = [{"name": "Ann", "is_user": True, "mes": "Who?"}, {"name": "H", "is_user": False, "mes": "The verger."}]
    assert group_of({"user_name": "Ann", "character_name": "H"}, *messages) == group_of(*messages) == user_group(["Ann"])
    assert group_of({"user_name": "User", "character_name": "H"}, {**messages[0], "name": "User"}, messages[1]) is None


VALUES = st.one_of(st.none(), st.text(max_size=5), st.integers(), st.floats(), st.just(["a"]), st.just({"id": "a"}))


@given(st.dictionaries(st.sampled_from(["scene", "book", "user_id", "user", "conversation_id", "username", "x"]), VALUES, max_size=4))
def test_a_group_is_sixteen_hex_digits_or_none_whatever_stands_in_the_record(value: dict) -> None:
    found = group(groups([value], value.get("user")), "log")
    assert found is None or re.fullmatch("[0-9a-f]{16}", found)


def test_the_record_holds_the_hash_and_nothing_of_the_id(project: Project) -> None:
    project.write("data/gold/sherlock-holmes.jsonl", gold_line("Who was it?", "The verger."))
    about = {"user_id": "ann@example.org", "conversation_id": "c-481516", "consent": True}
    project.write(
        "data/raw/log.jsonl",
        "".join(json.dumps({**MESSAGES, **about, "messages": [{"role": "user", "content": f"Who, {n}?"}, MESSAGES["messages"][1]]}) + "\n" for n in range(3)),
    )
    sources = [
        {"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"},
        {"path": "data/raw/log.jsonl", "kind": "log", "license": "CC0-1.0", "character": "sherlock-holmes"},
    ]
    project.set("curate.sources", sources)
    done = project.run("curate")
    assert done.returncode == 0, done.stderr
    gold, *logs = project.records("data/curated/chats.jsonl")
    assert "group" not in gold["source"]
    assert [chat["source"]["group"] for chat in logs] == [user_group(["ann@example.org"])] * 3
    written = (project.folder / "data/curated/chats.jsonl").read_text()
    assert "ann@" not in written and "481516" not in written
