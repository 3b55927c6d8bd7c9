"""From the teacher's answer, JSON or a transcript, to the turns of a chat, or to the reason why not."""

from __future__ import annotations

import json
import re
from typing import Any

from stages.common import schemas
from stages.common.answer_store import Answer
from stages.common.chats import CONTROL
from stages.common.in_character import ASSISTANT, straight

# "Watson:", "**Dr. Watson (rising):**": up to three words with capitals before a colon, at the start of a line.
VOICE = re.compile(r"^[*_\[\s]*(?:[A-Z][\w'-]*\.?\s?){1,3}[*_\]\s]*(?:\([^)]*\))?[*_\]\s]*:(?:[*_]+|\s|$)")

# The visitor's words inside the character's turn: a label at the start of a line, or after the end of a sentence.
OTHERS_WORDS = re.compile(r"(?:^|[.!?…\"'”’*)\]]\s+)[*_\[]*(?:The )?(?:Visitor|User|Human)[*_\]\s]*:", re.MULTILINE)
# The teacher itself declines; a character who declines does so after a label, or inside a turn.
REFUSAL = re.compile(
    rf"^\W*(?:{'|'.join(ASSISTANT['refusal'] + ASSISTANT['identity'])}|i(?: a|')m sorry, but|i(?: can(?:not|'t)|'m unable to) (?:write|create|continue))",
    re.IGNORECASE,
)
SURROGATE = re.compile("[\ud800-\udfff]")
FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)
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
    text = answer.text
    if answer.finish in UNUSABLE:
        rule, expected = UNUSABLE[answer.finish]
        raise NotAChat(rule, f"...{text[-100:]}" if answer.finish == "length" else text, expected)
    if refused := REFUSAL.match(straight(text)):
        raise NotAChat("refusal", text, f"a dialogue, not {refused.group()!r}")
    dialogue = from_json(text) if structured else from_transcript(text, name)
    said = [{"from": "human" if turn["speaker"] == "visitor" else "gpt", "value": turn["text"].strip()} for turn in dialogue]
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
    if speaker == "gpt" and (others := OTHERS_WORDS.search(words)):
        raise NotAChat("parse.others_words", words[max(0, others.start() - 60) : others.end() + 60], f"no words of the visitor in {name}'s mouth")


def from_json(text: str) -> list[dict]:
    """The turns of an answer in JSON, as schemas/dialogue.schema.json has them. Raises NotAChat."""
    dialogue = parsed(text)
    if problem := schemas.fault("dialogue", dialogue):
        raise NotAChat("parse.schema", problem, "an object as schemas/dialogue.schema.json has it")
    return dialogue["turns"]


def parsed(text: str) -> Any:
    """The JSON value of an answer, which some teachers put into a Markdown fence. Raises NotAChat."""
    fenced = FENCE.match(text)
    try:
        return json.loads(fenced.group(1) if fenced else text)
    except (ValueError, RecursionError) as error:
        raise NotAChat("parse.json", text, f"JSON ({error})") from None


def from_transcript(text: str, name: str) -> list[dict]:
    """The turns of a play, `Visitor: ...` and `NAME: ...`, as schemas/dialogue.schema.json has them. Raises NotAChat for a line that is nobody's."""
    first_name, last_name = re.escape(name.split()[0]), re.escape(name.split()[-1])
    label = re.compile(
        rf"^\W*(?:(?P<visitor>(?:the )?visitor)|(?P<character>{re.escape(name)}|(?:mr\.? )?{last_name}|{first_name}))[*_\]\s]*(?:\([^)]*\))?[*_\]\s]*:[*_]*",
        re.IGNORECASE,
    )
    found: list[dict] = []
    for line in (line.strip() for line in text.splitlines() if line.strip()):
        if match := label.match(line):
            found.append({"speaker": "visitor" if match["visitor"] else "character", "text": line[match.end() :].strip()})
        elif VOICE.match(line):
            raise NotAChat("parse.speaker", line, f"no voice but the visitor's and {name}'s")
        elif found:
            found[-1]["text"] = f"{found[-1]['text']} {line}".strip()
        else:
            raise NotAChat("parse.label", line, f"a first line that begins with 'Visitor:' or '{name}:'")
    return found
