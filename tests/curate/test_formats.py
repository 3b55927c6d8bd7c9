"""Each format, in its variants, tells the same chat; what is broken in it is told without a word of it."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.curate.faults import Fault
from stages.curate.formats import ROLES, Told, told
from stages.curate.records import read
from tests.curate.test_records import JSON

TWO = [("human", "Who?"), ("gpt", "The verger.")]
FOUR = [*TWO, ("human", "Sure?"), ("gpt", "Quite.")]


def tell(*lines: object) -> list[Told | Fault]:
    """What a JSONL file of these values tells; a text is a line as it stands."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    return [one for _, one in told(read(iter([text.encode()])))]


def turns(*lines: object) -> list[tuple[str, str]]:
    (one,) = tell(*lines)
    assert isinstance(one, Told), one
    return one.turns


def sharegpt(key: str, human: str, gpt: str) -> dict:
    return {key: [{"from": human, "value": "Who?"}, {"from": gpt, "value": "The verger."}]}


@pytest.mark.parametrize("key", ["conversations", "items"])
@pytest.mark.parametrize("human", ["human", "user", "Human"])
@pytest.mark.parametrize("gpt", ["gpt", "assistant", "model", "chatgpt", "bard", "GPT"])
def test_sharegpt_in_its_variants(key, human, gpt):
    assert turns(sharegpt(key, human, gpt)) == TWO


def test_sharegpts_system_prompt_as_a_turn_or_beside_the_turns():
    assert turns({"conversations": [{"from": "system", "value": "Be H."}, *sharegpt("c", "human", "gpt")["c"]]}) == [("system", "Be H."), *TWO]
    assert turns({"system": "Be H.", **sharegpt("conversations", "human", "gpt")}) == [("system", "Be H."), *TWO]


def test_openai_messages_with_texts_or_with_parts():
    said = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": [{"type": "text", "text": "The "}, {"type": "text", "text": "verger."}]}]
    assert turns({"messages": said}) == TWO
    assert turns({"conversations": said}) == TWO


def test_pippa():
    assert turns({"bot_name": "H", "conversation": [{"message": "Who?", "is_human": True}, {"message": "The verger.", "is_human": False}]}) == TWO


def test_alpaca_with_and_without_input():
    assert turns({"instruction": "Who?", "input": "", "output": "The verger."}) == TWO
    assert turns({"instruction": "Who?", "input": "It was dark.", "output": "I."}) == [("human", "Who?\n\nIt was dark."), ("gpt", "I.")]


def test_a_table_of_two_columns_with_and_without_names():
    for head in ("", "human,gpt\n", "user,assistant\n", "Question,Answer\n"):
        assert [one.turns for _, one in told(read(iter([f"{head}Who?,The verger.\n".encode()])))] == [TWO]


def test_a_table_with_more_columns_needs_names():
    text = "chat_id,assistant,user,consent\n7,The verger.,Who?,yes\n"
    ((line, one),) = told(read(iter([text.encode()])))
    assert (line, one.turns, one.ids, one.consent) == (2, TWO, ("7",), "yes")
    assert [one.found for _, one in told(read(iter([b"a,b,c\nd,e,f\n"])))] == ["3 cells", "3 cells"]


def tavern(*messages: dict, **header: object) -> list[dict]:
    return [{"user_name": "Ann", "character_name": "H", **header}, *messages]


def mes(text: str, user: bool = False, **other: object) -> dict:
    return {"name": "Ann" if user else "H", "is_user": user, "mes": text, **other}


def test_a_sillytavern_file_is_one_chat_of_what_was_said():
    lines = tavern(
        mes("Come in."),
        mes("Who?", user=True),
        mes("first", swipes=["first", "The verger.", "third"], swipe_id=1),
        mes("Chat was saved.", is_system=True),
        chat_metadata={"consent": True, "chat_id": "c-1"},
    )
    (one,) = tell(*lines)
    assert one.turns == [("gpt", "Come in."), *TWO]
    assert (one.consent, one.names) == (True, ("Ann",))
    assert one.ids == ("c-1",)


def test_a_sillytavern_file_without_a_header_and_a_swipe_that_is_not_there():
    assert turns(mes("Who?", user=True), mes("The verger.", swipes=["x"], swipe_id=7)) == TWO


@pytest.mark.parametrize(
    ("bad", "found"),
    [("{oops", "line 3: Expecting property name enclosed in double quotes at column 2"), ({"name": "H"}, "line 3: a line that is no message")],
)
def test_a_broken_line_in_a_sillytavern_file_is_the_whole_chats_fault(bad, found):
    (one,) = tell(*tavern(mes("Who?", user=True)), bad, mes("I."))
    assert isinstance(one, Fault) and one.found == found


def test_a_group_chat_is_no_chat_of_one_character():
    (one,) = tell(*tavern(mes("Who?", user=True), mes("I."), {**mes("No, I."), "name": "Watson"}))
    assert one.found == "2 characters speak"


def chatgpt(**nodes: tuple[str | None, str | None, list[str]]) -> dict:
    """{id: (role, text, children)}"""
    message = lambda role, text: role and {"author": {"role": role}, "content": {"content_type": "text", "parts": [text]}}  # noqa: E731
    return {"mapping": {name: {"message": message(role, text), "children": children} for name, (role, text, children) in nodes.items()}}


def test_of_a_tree_by_ids_the_longest_branch_counts_and_of_two_the_first():
    tree = {
        "root": (None, None, ["s"]),
        "s": ("system", "", ["a"]),
        "a": ("user", "Who?", ["b", "c"]),
        "b": ("assistant", "I do not know.", []),
        "c": ("assistant", "The verger.", ["d"]),
    }
    assert turns(chatgpt(**tree, d=("user", "Sure?", ["e", "f"]), e=("assistant", "Quite.", []), f=("assistant", "Not quite.", []))) == FOUR


def test_of_a_tree_of_replies_the_longest_branch_counts():
    reply = lambda text, role, *replies: {"text": text, "role": role, "replies": list(replies)}  # noqa: E731
    deep = reply("The verger.", "assistant", reply("Sure?", "prompter", reply("Quite.", "assistant")))
    assert turns({"prompt": reply("Who?", "prompter", reply("I do not know.", "assistant"), deep)}) == FOUR


@pytest.mark.parametrize(
    "tree",
    [
        chatgpt(a=("user", "Who?", ["b"]), b=("assistant", "I.", ["a"])),
        chatgpt(a=("user", "Who?", ["b", "c"]), b=("assistant", "I.", ["d"]), c=("assistant", "He.", ["d"]), d=("user", "Oh.", [])),
        {"mapping": [1]},
        {"mapping": {"a": 7}},
        {"mapping": {"a": {"message": {"author": {"role": "user"}, "content": {"parts": [{"image": 1}]}}}}},
    ],
    ids=["a circle", "two parents", "a list", "a number", "an image"],
)
def test_what_is_no_tree_of_texts_is_a_fault(tree):
    (one,) = tell(tree)
    assert isinstance(one, Fault) and one.rule == "format"


def test_a_deep_tree_is_told_without_recursion():
    nodes = {f"n{i}": ("user" if i % 2 == 0 else "assistant", f"turn {i}", [f"n{i + 1}"]) for i in range(5000)}
    assert len(turns(chatgpt(**nodes))) == 5000


def test_what_the_export_says_of_the_user():
    (one,) = tell(
        {"id": "c-9", "user_id": 77, "user_name": "Ann Lee", "username": "annl", "consent": False, "license": "MIT", **sharegpt("items", "user", "bard")}
    )
    assert (one.ids, one.names, one.handles) == (("c-9", "77"), ("Ann Lee",), ("annl",))
    assert (one.consent, one.license) == (False, "MIT")


def test_what_the_export_says_of_the_user_deeper_down_or_by_other_names():
    (one,) = tell({"chatId": 4.0, "user": {"id": "u-1", "name": "Ann", "username": "al"}, "metadata": {"consent": True}, **sharegpt("items", "user", "gpt")})
    assert (one.ids, one.names, one.handles, one.consent) == (("4", "u-1"), ("Ann",), ("al",), True)
    (one,) = tell({"userId": 5, "displayName": "Ann L", "firstName": "Ann", "user": "al", **sharegpt("items", "user", "gpt")})
    assert (one.ids, one.names, one.handles) == (("5",), ("Ann L", "Ann"), ("al",))


def test_the_user_of_a_sillytavern_file_is_named_by_the_own_lines():
    (one,) = tell(*tavern({**mes("Who?", user=True), "name": "Wilhelmina"}, mes("I."), user_name="unused"))
    assert one.names == ("unused", "Wilhelmina")


def test_what_chatgpt_notes_for_itself_is_no_turn():
    tree = chatgpt(a=("user", "Who?", ["n"]), n=("user", "-", ["b"]), b=("assistant", "The verger.", []))
    tree["mapping"]["n"]["message"]["content"] = {"content_type": "user_editable_context", "user_profile": "secret"}
    assert turns(tree) == TWO


def test_a_wide_and_a_long_tree_are_told_in_a_moment():
    wide = {f"r{i}": ("user", "Who?", [f"c{i}"]) for i in range(20_000)} | {f"c{i}": ("assistant", "The verger.", []) for i in range(20_000)}
    began = time.monotonic()
    assert turns(chatgpt(**wide)) == TWO
    replies = [{"text": "The verger.", "role": "assistant", "replies": []}] * 50_000
    assert turns({"prompt": {"text": "Who?", "role": "prompter", "replies": replies}}) == TWO
    assert time.monotonic() - began < 30  # quadratic, it would be minutes


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (["secret"], "a list"),
        ("secret", "a text"),
        (7, "a number"),
        (True, "true or false"),
        (None, "null"),
        ({"secret": "secret"}, "an object in no known format"),
        ({"conversations": "secret"}, "conversations: a text"),
        ({"conversations": [{"from": "secret", "value": "x"}]}, "conversations[0].from: an unknown role"),
        ({"conversations": [{"from": "human"}]}, "conversations[0] is something else"),
        ({"conversations": [{"from": "human", "value": ["secret"]}]}, "conversations[0].value: a list"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "secret"}]}]}, "messages[0].content: a list"),
        ({"conversation": [{"message": "secret", "is_human": "secret"}]}, "conversation[0] is something else"),
        ({"conversation": "secret"}, "conversation: a text"),
        ({"instruction": "secret"}, "output: null"),
        ({"prompt": "secret"}, "prompt, message 1 is something else"),
    ],
)
def test_what_is_no_chat_is_a_fault_that_quotes_nothing(value, found):
    *_, one = tell(sharegpt("items", "user", "gpt"), value if isinstance(value, dict) else json.dumps(value))
    assert isinstance(one, Fault)
    assert one.found == found and "secret" not in str(one)


FIELDS = ["conversations", "items", "messages", "conversation", "mapping", "prompt", "instruction"]


@given(st.lists(st.one_of(JSON, st.dictionaries(st.sampled_from(FIELDS), JSON))))
def test_whatever_the_values_every_line_is_told_or_a_fault(values):
    found = tell({"conversations": []}, *(json.dumps(value) for value in values))
    assert all(isinstance(one, Told | Fault) for one in found)
    assert len(found) == len(values) + 1


def test_every_role_is_one_of_three():
    assert set(ROLES.values()) == {"human", "gpt", "system"}
