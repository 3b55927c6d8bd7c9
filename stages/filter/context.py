"""Chats longer than the model can be trained on: counted in the base model's tokens as train counts them, and cut behind a reply of the character's.

Counting exactly takes a millisecond for a chat. A byte is one token at most, and the words of all chats are few and can be counted once each: both give a bound
that is sure to be no smaller than the count, and is enough for all but the chats near the limit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from stages.common.chats import chat_id
from stages.common.errors import UserError
from stages.common.files import read_json, read_text
from stages.filter.talk import Drop
from stages.filter.word_sums import WordSums

ROLES = {"system": "system", "human": "user", "gpt": "assistant"}
"""As stages/train/config.py tells Axolotl."""
MARGIN = 16
"""Tokens by which the sum over words must stay under the limit to count as a bound. It was never under the exact count in the tests; this is for tokenizers that were not tested."""
SPECIAL = b"\xfe"
"""Stands for a special token in a text whose words are counted."""
DAY = datetime(2024, 7, 26)
"""The day that templates are told who ask for today's (Llama 3.1's own default), so that no chat is cut on one day and kept on another."""
_SPACE_INSIDE = re.compile("[^ĠĊĉčÂł▁][Ġ▁]")  # of byte-level BPE a space is Ġ, line ends Ċ and č, a tab ĉ, a no-break space Âł; of SentencePiece a space is ▁


class Context:
    """The base model's tokenizer and chat template, and the number of tokens that a chat may have."""

    def __init__(self, folder: str | Path, limit: int):
        """Of a folder with tokenizer.json, tokenizer_config.json and chat_template.jinja. Raises UserError where one is missing or no template."""
        folder = Path(folder)
        self.limit = limit
        self.tokenizer = tokenizer(folder / "tokenizer.json")
        self.template = template(folder / "chat_template.jinja")
        self.special = special_tokens(folder / "tokenizer_config.json")
        described = json.loads(self.tokenizer.to_str())
        added = sorted((token["content"].encode() for token in described["added_tokens"]), key=len, reverse=True)
        self._special = re.compile(b"|".join(map(re.escape, added)) or rb"(?!)")
        self._by_words = described["model"]["type"] == "BPE" and not described["model"].get("dropout") and splits_at_spaces(described)
        self._by_bytes = not expands(described)
        self._before = self._exact("a")
        self._sums = WordSums(self._of_word)

    def text(self, conversations: Sequence[Mapping[str, str]]) -> str:
        """A conversation as the chat template writes it."""
        messages = [{"role": ROLES[turn["from"]], "content": turn["value"]} for turn in conversations]
        try:
            return self.template.render(messages=messages, tools=None, documents=None, add_generation_prompt=False, **self.special)
        except Exception as error:  # a template may divide by nothing, or reach for what the sandbox denies
            raise UserError(f"the base model's chat template refuses a chat: {error}") from error

    def tokens(self, conversations: Sequence[Mapping[str, str]]) -> int:
        """The number of tokens of a conversation, exactly as in training."""
        return self._exact(self.text(conversations))

    def fits(self, conversations: Sequence[Mapping[str, str]]) -> bool:
        """Whether a conversation has at most `limit` tokens."""
        return self.fit([conversations])[0]

    def fit(self, conversations: Sequence[Sequence[Mapping[str, str]]]) -> list[bool]:
        """Whether each of many conversations does: from a bound where one is enough, else counted."""
        texts = list(map(self.text, conversations))
        written = [text.encode(errors="replace") for text in texts]
        sure = np.array([self._by_bytes and len(text) <= self.limit - MARGIN for text in written], bool)
        if self._by_words:
            doubtful = np.flatnonzero(~sure)
            sure[doubtful] = self.bounds([written[number] for number in doubtful.tolist()]) <= self.limit - MARGIN
        return [known or self._exact(text) <= self.limit for known, text in zip(sure.tolist(), texts, strict=True)]

    def bounds(self, texts: Sequence[bytes]) -> np.ndarray:
        """The sum of the tokens of the words of each text, each with the blank before it; special tokens are one each."""
        return self._sums.of([self._special.sub(SPECIAL, text) for text in texts])

    def _of_word(self, word: bytes) -> int:
        """The tokens that a word adds to a text, with what stands before it."""
        text = word[1:].decode(errors="replace")
        if word[0] == ord(" "):
            return self._exact(f"a {text}") - self._before
        return self._exact(text) + (word[0] == SPECIAL[0])

    def _exact(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)


def fitted(chat: dict, context: Context) -> dict | None:
    """The chat, whole where it fits, else as many of its first exchanges as do; None where not even the first does.

    What is cut is another chat, since its id is made of what is said: it gets its own, and names the old one in `source.cut_from`. Its opening, and so its group and
    its split, stay.
    """
    turns = chat["conversations"]
    if context.fits(turns):
        return chat
    fits, over = 0, len(turns) // 2  # exchanges, behind the system's turn
    while over - fits > 1:
        middle = (fits + over) // 2
        if context.fits(turns[: 1 + 2 * middle]):
            fits = middle
        else:
            over = middle
    if not fits:
        return None
    kept = turns[: 1 + 2 * fits]
    source = {**chat["source"], "cut_from": chat["source"].get("cut_from", chat["id"])}
    return {**chat, "id": chat_id(chat["character"], source["kind"], kept), "conversations": kept, "source": source}


def too_long(chat: dict, context: Context) -> Drop:
    """The reason why a chat goes of which nothing fits: the tokens of its first exchange."""
    return Drop("length.tokens", context.tokens(chat["conversations"][:3]), context.limit)


def tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of a file, without cutting and padding. Raises UserError."""
    text = read_text(path)
    try:
        found = Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing narrower
        raise UserError(f"{path}: no tokenizer that can be read: {error}") from error
    found.no_truncation()
    found.no_padding()
    return found


def special_tokens(path: Path) -> dict[str, str]:
    """The names and texts (`bos_token`: "<s>") that a template may use."""
    known = read_json(path)
    texts = {name: value["content"] if isinstance(value, dict) else value for name, value in known.items() if re.fullmatch(r"[a-z]{2,20}_token", name)}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


class _Sandbox(ImmutableSandboxedEnvironment):
    """jinja2's, which asks of each attribute of each object whether it is safe, and asks a type and a name but once."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self._safe: dict[tuple[type, str], bool] = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        key = type(obj), attr
        if key not in self._safe:
            self._safe[key] = super().is_safe_attribute(obj, attr, value)
        return self._safe[key]


def template(path: Path):
    """The chat template of a file, in the environment that transformers gives it (utils/chat_template_utils.py of 5.16). Raises UserError."""
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = DAY.strftime
    try:
        return environment.from_string(path.read_text(encoding="utf-8"))
    except (OSError, TemplateError) as error:
        raise UserError(f"{path}: no chat template that can be read: {error}") from error


class _Generation(Extension):
    """`{% generation %}`, with which some templates mark the assistant's words; it writes what stands in it."""

    tags = {"generation"}

    def parse(self, parser: Any) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: object, ensure_ascii: bool = False, indent: int | None = None, separators: tuple | None = None, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def splits_at_spaces(described: Mapping) -> bool:
    """Whether each token of a BPE tokenizer, as its tokenizer.json describes it, ends before a space that follows something else.

    Then no merge crosses such a place, and the tokens of a text are those of its words.
    """
    added = described["added_tokens"]
    return not any(token["single_word"] or " " in token["content"] for token in added) and not any(map(_SPACE_INSIDE.search, described["model"]["vocab"]))


def expands(described: Mapping) -> bool:
    """Whether a text can have more tokens than bytes: its normalizer can make more characters, or what is no token is more than its bytes."""
    model = described["model"]
    bytewise = "ByteLevel" in json.dumps(described["pre_tokenizer"])
    normalizer = described["normalizer"]
    return model["type"] != "BPE" or not bytewise or bool(normalizer and normalizer.get("normalizers") != [])
