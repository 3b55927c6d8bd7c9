"""From the teacher's transcript to a chat, or to the reason why not."""

from __future__ import annotations

import re

from stages.common.chats import CONTROL

# "Watson:", "**Dr. Watson (rising):**": up to three words with capitals before a colon, at the start of a line.
VOICE = re.compile(r"^[*_\[\s]*(?:[A-Z][\w'-]*\.?\s?){1,3}[*_\]\s]*(?:\([^)]*\))?[*_\]\s]*:(?:[*_]+|\s|$)")


class NotAChat(ValueError):
    """The answer is no chat: `rule`, what was found and what was expected."""

    def __init__(self, rule: str, found: str, expected: str):
        super().__init__(f"{rule}: {found}")
        self.rule, self.found, self.expected = rule, found[:300], expected


def turns(answer: str, name: str, finish: str) -> list[dict]:
    """The turns of a transcript, human first and gpt last, without a system turn. Raises NotAChat.

    An answer that was cut off at max_tokens loses its last, unfinished line.
    """
    first_name, last_name = re.escape(name.split()[0]), re.escape(name.split()[-1])
    label = re.compile(
        rf"^\W*(?:(?P<human>(?:the )?visitor)|(?P<gpt>{re.escape(name)}|(?:mr\.? )?{last_name}|{first_name}))[*_\]\s]*(?:\([^)]*\))?[*_\]\s]*:[*_]*",
        re.IGNORECASE,
    )
    if re.search("[\ud800-\udfff]", answer):
        raise NotAChat("parse.text", ascii(answer), "text that can be written as UTF-8, without halves of surrogate pairs")
    if control := CONTROL.search(answer):
        raise NotAChat("parse.control", control.group(), "words, and no token that opens or ends turns")
    found: list[dict] = []
    lines = [line.strip() for line in answer.strip().splitlines() if line.strip()]
    if finish == "length":
        lines = lines[:-1]
    for line in lines:
        match = label.match(line)
        if match:
            found.append({"from": "human" if match["human"] else "gpt", "value": line[match.end() :].strip()})
        elif VOICE.match(line):
            raise NotAChat("parse.speaker", line, f"no voice but the visitor's and {name}'s")
        elif found:
            found[-1]["value"] = f"{found[-1]['value']} {line}".strip()
        else:
            raise NotAChat("parse.label", line, f"a first line that begins with 'Visitor:' or '{name}:'")
    if found and found[-1]["from"] == "human":
        found.pop()  # the visitor's last word has no answer to learn from
    speakers = [turn["from"] for turn in found]
    if len(found) < 2 or speakers != ["human", "gpt"] * (len(found) // 2):
        raise NotAChat("parse.turns", ", ".join(speakers) or "nothing", "human and gpt in turn, at least one exchange")
    if empty := [turn["from"] for turn in found if not turn["value"]]:
        raise NotAChat("parse.empty", f"an empty turn of {empty[0]}", "words in every turn")
    return found
