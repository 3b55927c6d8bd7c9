"""From the teacher's answer, JSON or a transcript, to the turns of a chat, or to the reason why not."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from stages.common import json_answers, schemas
from stages.common.answer_store import Answer
from stages.common.chats import CONTROL
from stages.common.in_character import ASSISTANT, straight

# "Watson:", "**Dr. Watson (rising):**", "The clerk:": up to three words with capitals, or a word after "The", before a colon, at the start of a line.
VOICE = re.compile(r"^[*_\[ \t]*(?:The [a-z]+|(?:[A-Z][\w'-]*\.? ?){1,3})[*_\]\s]*(?:\([^)]*\))?[*_\]\s]*:(?:[*_]+|\s|$)", re.MULTILINE)

BREAK = r"(?:^|[.!?\u2026\"'\u201d\u2019*)\]]\s+)"  # where somebody else could begin to speak: the start of a line, the end of a sentence
# The visitor's words inside the character's turn: a label in such a place, or with a capital after a comma.
OTHERS_WORDS = re.compile(
    rf"{BREAK}[*_\[(]*(?:(?i:(?:the )?(?:visitor|user|human))[*_\])\s]*(?::| [-\u2013\u2014] )|(?:You|Me|Narrator)[*_\])]*:)|[,;] (?:Visitor|User|Human):",
    re.MULTILINE,
)
# The teacher itself declines; a character who declines does so after a label, or inside a turn.
REFUSAL = re.compile(
    rf"^\W*(?:{'|'.join(ASSISTANT['refusal'] + ASSISTANT['identity'])}|i(?: a|')m sorry, but|i(?: can(?:not|'t)|'m unable to) (?:write|create|continue))",
    re.IGNORECASE,
)
SURROGATE = re.compile("[\ud800-\udfff]")
PREFACE = re.compile(r"(?:sure|certainly|of course|here(?:'s| is| are)|below is|the dialogue)\b.*|[-*_=#]{3,}|#+ .*|.*:[*_]*", re.IGNORECASE)
UNUSABLE = {
    "length": ("finish.length", "a dialogue that ends within the tokens that an answer may have"),
    "content_filter": ("finish.content_filter", "a dialogue that the endpoint lets pass"),
    "refusal": ("refusal", "a dialogue"),
}


class NotAChat(ValueError):
    """The answer is no chat: `rule`, what was found and what was expected."""

    def __init__(self, rule: str, found: str, expected: str):
        found = found[:300].encode("utf-8", "backslashreplace").decode() or "nothing"  # half a surrogate pair could not be written down
        super().__init__(f"{found}; expected: {expected}")
        self.rule, self.found, self.expected = rule, found, expected


def turns(answer: Answer, name: str, structured: bool) -> list[dict]:
    """The turns of an answer for the character called `name`, human first and gpt last, without a system turn. Raises NotAChat."""
    text = json_answers.without_thoughts(answer.text)
    if answer.finish in UNUSABLE:
        rule, expected = UNUSABLE[answer.finish]
        raise NotAChat(rule, f"...{text[-100:]}" if answer.finish == "length" else text, expected)
    if refused := REFUSAL.match(straight(text)):
        raise NotAChat("refusal", text, f"a dialogue, not {refused.group()!r}")
    dialogue = from_json(text) if structured else from_transcript(text, name)
    own = label(name)
    said = [{"from": "human" if turn["speaker"] == "visitor" else "gpt", "value": unlabelled(turn["text"], turn["speaker"], own)} for turn in dialogue]
    if said and said[-1]["from"] == "human":
        said.pop()  # the visitor's last word has no answer to learn from
    speakers = [turn["from"] for turn in said]
    if len(said) < 2 or speakers != ["human", "gpt"] * (len(said) // 2):
        raise NotAChat("parse.turns", ", ".join(speakers), "human and gpt in turn, at least one exchange")
    for turn in said:
        check_words(turn["from"], turn["value"], name)
    return said


def check_words(speaker: str, words: str, name: str) -> None:
    """Raise NotAChat where a turn is empty, cannot be written down, holds a control token, or, the character's, a line of the visitor's."""
    if not words:
        raise NotAChat("parse.empty", f"an empty turn of {speaker}", "words in every turn")
    if not words.isascii() and SURROGATE.search(words):
        raise NotAChat("parse.text", ascii(words), "text that can be written as UTF-8, without halves of surrogate pairs")
    if control := CONTROL.search(words):
        raise NotAChat("parse.control", control.group(), "words, and no token that opens or ends turns")
    others = OTHERS_WORDS if speaker == "gpt" else his_words(name)
    if found := others.search(words):
        whose, mouth = ("the visitor", f"{name}'s") if speaker == "gpt" else (name, "the visitor's")
        raise NotAChat("parse.others_words", words[max(0, found.start() - 60) : found.end() + 60], f"no words of {whose} in {mouth} mouth")
    lines = words.partition("\n")[2]  # a turn may begin with "Listen:"; a line within it that begins so is somebody else's
    if voice := VOICE.search(lines):
        raise NotAChat("parse.speaker", voice.group().strip(), f"no voice but the visitor's and {name}'s")


def from_json(text: str) -> list[dict]:
    """The turns of an answer in JSON, as schemas/dialogue.schema.json has them. Raises NotAChat."""
    dialogue = parsed(text)
    if problem := schemas.fault("dialogue", dialogue):
        raise NotAChat("parse.schema", problem, "an object as schemas/dialogue.schema.json has it")
    return dialogue["turns"]


def parsed(text: str) -> Any:
    """The JSON object of an answer. Raises NotAChat."""
    try:
        return json_answers.parsed(text)
    except ValueError as error:
        raise NotAChat("parse.json", text, f"JSON ({error})") from None


def names(name: str) -> str:
    """A pattern for what a character is called in a label: the whole name, the last one, the first one."""
    parts = name.split()
    return rf"{re.escape(name)}|(?:mr\.? )?{re.escape(parts[-1])}|{re.escape(parts[0])}"


@cache
def label(name: str) -> re.Pattern[str]:
    """Who speaks, at the start of a line: `Visitor:` or the character's name, however it is adorned."""
    return re.compile(
        rf"^\W*(?:(?P<visitor>(?:the )?visitor)|(?P<character>{names(name)}))[*_\]\s]*(?:\([^)]*\))?[*_\]\s]*:[*_]*",
        re.IGNORECASE,
    )


@cache
def his_words(name: str) -> re.Pattern[str]:
    """The character's words inside the visitor's turn."""
    return re.compile(rf"{BREAK}[*_\[(]*(?:{names(name)})[*_\])\s]*:", re.IGNORECASE | re.MULTILINE)


def unlabelled(text: str, speaker: str, own: re.Pattern[str]) -> str:
    """A turn without its own speaker's label."""
    match = own.match(text)
    return (text[match.end() :] if match and match[speaker] else text).strip()


def from_transcript(text: str, name: str) -> list[dict]:
    """The turns of a play, `Visitor: ...` and `NAME: ...`, as schemas/dialogue.schema.json has them. Raises NotAChat for a line that is nobody's."""
    if fenced := json_answers.FENCE.search(text):
        text = fenced.group(1)
    own, found = label(name), []
    for line in (line.strip() for line in text.splitlines() if line.strip()):
        if match := own.match(line):
            found.append({"speaker": "visitor" if match["visitor"] else "character", "text": line[match.end() :].strip()})
        elif not found and PREFACE.fullmatch(line):
            continue
        elif VOICE.match(line):
            raise NotAChat("parse.speaker", line, f"no voice but the visitor's and {name}'s")
        elif found:
            found[-1]["text"] = f"{found[-1]['text']} {line}".strip()
        else:
            raise NotAChat("parse.label", line, f"a first line that begins with 'Visitor:' or '{name}:'")
    return found
