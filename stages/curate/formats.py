"""What one record of an export says: who spoke, in which order, and what the export tells about the person who talked to the character.

A format is known by the record's own fields. No error quotes the record: it may be somebody's chat.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from stages.curate.faults import Fault
from stages.curate.groups import groups, user_group
from stages.curate.records import CHARACTER_COLUMNS, HUMAN_COLUMNS, MAX_RECORD, TOO_LONG, Record, Row

HUMAN, CHARACTER, SYSTEM = "human", "gpt", "system"
# Role names in the wild: ShareGPT's own, its collections', and OpenAI's.
ROLES = {
    **dict.fromkeys(("human", "user", "you", "prompter"), HUMAN),
    **dict.fromkeys(("gpt", "assistant", "model", "chatgpt", "bard", "bing", "bot", "char", "character", "ai"), CHARACTER),
    **dict.fromkeys(("system", "developer"), SYSTEM),
}


@dataclass(frozen=True)
class Told:
    """One chat as its export tells it. `turns` are (role, text), roles of ROLES' values, system turns and repeated speakers still in it."""

    turns: list[tuple[str, str]]
    consent: Any = None
    ids: tuple[str, ...] = ()  # of the chat and of its user
    names: tuple[str, ...] = ()  # the user's own
    handles: tuple[str, ...] = ()
    license: Any = None
    groups: Mapping[str, str] = field(default_factory=dict)  # hashes of the scene, the user and the conversation that the chat is a part of
    labels: Mapping[str, str] = field(default_factory=dict)  # topic and visitor, where somebody wrote them


def told(records: Iterable[Record]) -> Iterator[tuple[int, Told | Fault]]:
    """Each chat of a file with its line, or what is wrong with the record that stands there.

    A SillyTavern file is one chat over many lines: it is told once, with the line on which it begins.
    """
    records = iter(records)
    first = next(records, None)
    if first is None:
        return
    if _opens_tavern(first.value):
        yield first.line, _tavern(first, records)
        return
    yield first.line, _of(first.value)
    for record in records:
        yield record.line, _of(record.value)


def _of(value: Any) -> Told | Fault:
    if isinstance(value, Fault):
        return value
    if isinstance(value, Row):
        return _row(value)
    if not isinstance(value, dict):
        return Fault("format", _kind(value), "an object with a chat")
    for name, read in _FORMATS.items():
        if name in value:
            try:
                turns = read(value)
                return Told(turns, **_about(value))
            except Fault as error:
                return error
    return Fault("format", "an object in no known format", f"one of the fields {', '.join(_FORMATS)}")


# What exports call the ids, names and handles of a user; a field "user" may also be an object that has them without the prefix.
_IDS = ("id", "chat_id", "chatId", "conversation_id", "conversationId", "user_id", "userId")
_NAMES = ("user_name", "userName", "user_full_name", "full_name", "display_name", "displayName", "first_name", "firstName", "last_name", "lastName")
_HANDLES = ("user", "username", "user_handle", "handle")


def _about(value: Mapping) -> dict:
    """What the record says beside its turns, itself and in its `metadata`, `chat_metadata` and `user`."""
    user, metadata = value.get("user"), [part for name in ("metadata", "chat_metadata") if isinstance(part := value.get(name), dict)]
    places = [value, *metadata, *([user] if isinstance(user, dict) else [])]

    def words(fields: Sequence[str], among: Sequence[Mapping] = places) -> tuple[str, ...]:
        found = [place.get(field) for place in among for field in fields]
        plain = [int(one) if isinstance(one, float) and one.is_integer() else one for one in found]
        return tuple(dict.fromkeys(str(one) for one in plain if isinstance(one, str | int) and not isinstance(one, bool) and str(one).strip()))

    labels = {name: value[name] for name in ("topic", "visitor") if isinstance(value.get(name), str) and value[name].strip()}
    return {
        "consent": next((place["consent"] for place in places if place.get("consent") is not None), None),
        "ids": words(_IDS),
        "names": words(_NAMES) + (words(("name",), [user]) if isinstance(user, dict) else ()),
        "handles": words(_HANDLES),
        "license": value.get("license"),
        "groups": groups(places, user),
        "labels": labels,
    }


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")


def _role(value: Any, where: str) -> str:
    role = ROLES.get(value.strip().lower()) if isinstance(value, str) else None
    if role is None:
        raise Fault("format", f"{where}: an unknown role", f"one of {', '.join(ROLES)}")
    return role


def _text(value: Any, where: str) -> str:
    """A turn's words; OpenAI also writes them as a list of parts, of which the text parts count."""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        texts = [part.get("text") for part in value if part.get("type") in ("text", "input_text", "output_text")]
        if len(texts) == len(value) and all(isinstance(text, str) for text in texts):
            return "".join(texts)
    if not isinstance(value, str):
        raise Fault("format", f"{where}: {_kind(value)}", "a text")
    return value


def _turns(value: Any, key: str, role: str, text: str) -> list[tuple[str, str]]:
    if not isinstance(value, list):
        raise Fault("format", f"{key}: {_kind(value)}", "a list of turns")
    turns = []
    for number, turn in enumerate(value):
        where = f"{key}[{number}]"
        if not isinstance(turn, dict) or not {role, text} <= turn.keys():
            raise Fault("format", f"{where} is something else", f"an object with {role} and {text}")
        turns.append((_role(turn[role], f"{where}.{role}"), _text(turn[text], f"{where}.{text}")))
    return turns


def _sharegpt(key: str) -> Callable[[dict], list[tuple[str, str]]]:
    def read(value: dict) -> list[tuple[str, str]]:
        turns = value[key]
        like_openai = isinstance(turns, list) and turns and isinstance(turns[0], dict) and "role" in turns[0]
        system = [(SYSTEM, value["system"])] if isinstance(value.get("system"), str) else []
        return system + (_turns(turns, key, "role", "content") if like_openai else _turns(turns, key, "from", "value"))

    return read


def _openai(value: dict) -> list[tuple[str, str]]:
    return _turns(value["messages"], "messages", "role", "content")


def _pippa(value: dict) -> list[tuple[str, str]]:
    turns = value["conversation"]
    if not isinstance(turns, list):
        raise Fault("format", f"conversation: {_kind(turns)}", "a list of turns")
    said = []
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict) or not isinstance(turn.get("is_human"), bool):
            raise Fault("format", f"conversation[{number}] is something else", "an object with message and is_human")
        said.append((HUMAN if turn["is_human"] else CHARACTER, _text(turn.get("message"), f"conversation[{number}].message")))
    return said


def _alpaca(value: dict) -> list[tuple[str, str]]:
    asked = [_text(value[name], name) for name in ("instruction", "input") if value.get(name)]
    return [(HUMAN, "\n\n".join(asked)), (CHARACTER, _text(value.get("output"), "output"))]


def _mapping(value: dict) -> list[tuple[str, str]]:
    """A tree of messages by id, as ChatGPT exports it: {id: {message, parent, children}}."""
    nodes = value["mapping"]
    if not isinstance(nodes, dict) or not all(isinstance(node, dict) for node in nodes.values()):
        raise Fault("format", "mapping is something else", "an object of messages by their ids")
    said: dict[str, tuple[str, str] | None] = {}
    for number, (name, node) in enumerate(nodes.items()):
        message, where = node.get("message"), f"mapping, message {number + 1}"
        if message is None:
            said[name] = None
            continue
        parts = message.get("content") if isinstance(message, dict) else None
        if isinstance(parts, dict) and "parts" not in parts:  # a note of ChatGPT's own, not said by anybody
            said[name] = None
            continue
        parts = parts.get("parts") if isinstance(parts, dict) else parts
        author = message.get("author") if isinstance(message, dict) else None
        role = author.get("role") if isinstance(author, dict) else author
        if role == "tool":
            said[name] = None
            continue
        texts = [parts] if isinstance(parts, str) else parts
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Fault("format", f"{where} is something else", "a text in content.parts")
        said[name] = (_role(role, f"{where}: author.role"), "\n".join(texts)) if "".join(texts).strip() else None
    children = {name: [child for child in node.get("children") or [] if isinstance(child, str) and child in nodes] for name, node in nodes.items()}
    born = {child for named in children.values() for child in named}
    return _longest({name: said[name] for name in nodes}, children, [name for name in nodes if name not in born], "mapping")


def _tree(value: dict) -> list[tuple[str, str]]:
    """A tree of messages inside one another, as OpenAssistant writes it: {text, role, replies: [...]}."""
    said: dict[int, tuple[str, str] | None] = {}
    children: dict[int, list[int]] = {}
    waiting = deque([(value["prompt"], None)])
    while waiting:
        node, parent = waiting.popleft()
        number = len(said)
        if not isinstance(node, dict) or not isinstance(node.get("replies", []), list):
            raise Fault("format", f"prompt, message {number + 1} is something else", "an object with text, role and replies")
        said[number] = (_role(node.get("role"), f"prompt, message {number + 1}: role"), _text(node.get("text"), f"prompt, message {number + 1}: text"))
        children[number] = []
        if parent is not None:
            children[parent].append(number)
        waiting += [(reply, number) for reply in node.get("replies", [])]
    return _longest(said, children, [0], "prompt")


def _longest(said: Mapping, children: Mapping, roots: list, where: str) -> list[tuple[str, str]]:
    """The branch with the most turns; of two the one that comes first. Raises Fault where the messages are no tree."""
    parents: dict = {}
    first, order = set(roots), list(roots)
    for name in order:
        for child in children[name]:
            if child in parents or child in first:
                raise Fault("format", f"{where}: a message with two parents", "a tree")
            parents[child] = name
            order.append(child)
    if len(order) != len(said):
        raise Fault("format", f"{where}: messages that answer each other in a circle", "a tree")
    depth: dict = {}
    for name in order:
        depth[name] = (depth[parents[name]] if name in parents else 0) + (said[name] is not None)
    branch, name = [], max(order, key=lambda one: depth[one], default=None)
    while name is not None:
        branch.append(said[name])
        name = parents.get(name)
    return [turn for turn in reversed(branch) if turn]


# The field by which each format is known, in the order in which they are looked for.
_FORMATS: dict[str, Callable[[dict], list[tuple[str, str]]]] = {
    "conversations": _sharegpt("conversations"),
    "items": _sharegpt("items"),
    "messages": _openai,
    "conversation": _pippa,
    "mapping": _mapping,
    "instruction": _alpaca,
    "prompt": _tree,
}


def _row(row: Row) -> Told | Fault:
    """One exchange; a table of two columns needs no names."""
    if row.names is None:
        if len(row.cells) != 2:
            return Fault("format", f"{len(row.cells)} cells", "two, or a first row that names the columns (human and gpt, user and assistant ...)")
        return Told([(HUMAN, row.cells[0]), (CHARACTER, row.cells[1])])
    if len(row.cells) != len(row.names):
        return Fault("format", f"{len(row.cells)} cells", f"{len(row.names)}, as many as the columns that the first row names")
    value = dict(zip(row.names, row.cells, strict=True))
    asked, answered = ([value[name] for name in columns if name in value] for columns in (HUMAN_COLUMNS, CHARACTER_COLUMNS))
    if not asked or not answered:
        return Fault(
            "format", f"no column for the {'character' if asked else 'visitor'}", f"one named {', '.join(CHARACTER_COLUMNS if asked else HUMAN_COLUMNS)}"
        )
    return Told([(HUMAN, asked[0]), (CHARACTER, answered[0])], **_about({name: cell for name, cell in value.items() if name != "user" or asked[0] != cell}))


def _opens_tavern(value: Any) -> bool:
    """SillyTavern's first line describes the chat; files of older versions begin with a message."""
    if not isinstance(value, dict) or any(name in value for name in _FORMATS):
        return False
    return "mes" in value or bool({"chat_metadata", "character_name", "user_name"} & value.keys())


def _tavern(first: Record, rest: Iterator[Record]) -> Told | Fault:
    header = {} if "mes" in first.value else first.value
    fault, turns, speakers, users, size = None, [], set(), {}, 0
    for record in rest if header else chain([first], rest):
        if fault:
            continue  # read to the end all the same: the lines belong to this one chat
        try:
            message = record.value
            if isinstance(message, Fault):
                raise message
            if not isinstance(message, dict) or "mes" not in message:
                raise Fault("format", "a line that is no message", "a message with mes, name and is_user")
            if message.get("is_system"):
                continue
            text = _selected(message)
            size += len(text)
            if size > MAX_RECORD:
                raise TOO_LONG
            if not message.get("is_user"):
                speakers.add(str(message.get("name", "")))
            elif isinstance(message.get("name"), str):
                users[message["name"]] = None
            turns.append((HUMAN if message.get("is_user") else CHARACTER, text))
        except Fault as error:
            fault = Fault(error.rule, f"line {record.line}: {error.found}", error.expected)
    if fault is None and len(speakers) > 1:
        fault = Fault("format", f"{len(speakers)} characters speak", "one")
    if fault:
        return fault
    about = _about(header)
    names = tuple(dict.fromkeys([*about["names"], *users]))
    spoke = user_group(users)
    return Told(turns, **about | {"names": names, "groups": ({"user": spoke} if spoke else {}) | about["groups"]})


def _selected(message: dict) -> str:
    """What was said: of several swipes the selected one."""
    swipes, chosen = message.get("swipes"), message.get("swipe_id")
    if isinstance(swipes, list) and isinstance(chosen, int) and not isinstance(chosen, bool) and 0 <= chosen < len(swipes):
        return _text(swipes[chosen], "swipes")
    return _text(message["mes"], "mes")
