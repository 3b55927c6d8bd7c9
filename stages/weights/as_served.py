"""A chat as serving makes it: the tokens that the kept tokenizer and template give, and which of them serving leaves to the character.

Serving asks for each reply with the turns before it and the template's own beginning of a reply. What follows that prompt, up to the end-of-turn
token, is the character's. So where a turn lies comes from rendering prompts, and owes nothing to the code that labels tokens for training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from stages.common.errors import UserError
from stages.weights.tokenizers import end_of_turn

ROLES = {"system": "system", "human": "user", "gpt": "assistant"}
UNTRAINED = -100  # the label of a token that is not trained
SHOWN = 60  # characters of a text in a sentence
REMEDY = "take a base with another template, or mend chat_template.jinja in a copy of the base and name that folder as base_model"

Turn = Mapping[str, str]
"""`from` (system, human or gpt) and `value`, as in the chat record."""


@dataclass(frozen=True)
class Reply:
    """Where a reply lies among the tokens of its chat."""

    turn: int
    """Which turn of the chat, from 0."""
    asked: int
    """How many tokens the prompt has with which serving asks for it."""
    first: int
    """Its first token: the one behind the prompt, or behind the white space that the template writes there by itself (Mistral's, before a number)."""
    end: int
    """Its end-of-turn token."""


@dataclass(frozen=True)
class Served:
    """A chat as serving makes it."""

    ids: list[int]
    replies: list[Reply]

    def labels(self) -> np.ndarray:
        """The labels that it must be trained with, int32 of shape (tokens,): the character's words and his end of turn, each time."""
        labels = np.full(len(self.ids), UNTRAINED, np.int32)
        for reply in self.replies:
            labels[reply.first : reply.end + 1] = self.ids[reply.first : reply.end + 1]
        return labels


class Serving:
    """A tokenizer and a template, applied as vLLM's chat endpoint does (vllm/renderers/hf.py, 0.32): rendered, then tokenized with nothing added."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str):
        self.tokenizer = tokenizer
        self.tokenizer.chat_template = template
        self.end = end_of_turn(tokenizer)

    @classmethod
    def of(cls, folder: Path) -> Serving:
        """Of a folder with the three files that models/adapter keeps: tokenizer.json, tokenizer_config.json, chat_template.jinja."""
        return cls(AutoTokenizer.from_pretrained(folder), (folder / "chat_template.jinja").read_text(encoding="utf-8"))

    def text(self, turns: Sequence[Turn], ask: bool = False, **variables: object) -> str:
        """Turns as the template writes them; with `ask`, the beginning of a reply behind them. Raises UserError where the template refuses them."""
        messages = [{"role": ROLES[turn["from"]], "content": turn["value"]} for turn in turns]
        try:
            return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask, **variables)
        except Exception as error:  # a template may divide by nothing, or reach for what the sandbox denies
            raise UserError(f"the chat template refuses it: {error}; {REMEDY}") from None

    def writes_the_date(self, turns: Sequence[Turn]) -> bool:
        """Whether the template writes what day it is, by the `strftime_now` that transformers gives it."""
        return self.text(turns) != self.text(turns, strftime_now=lambda _format: "another day")

    def served(self, turns: Sequence[Turn]) -> Served:
        """A chat as serving makes it. Raises UserError, one sentence, where the template does not write it as it does when it asks for a reply."""
        answers = [number for number, turn in enumerate(turns) if turn["from"] == "gpt"]
        whole, *prompts = self.text(turns), *(self.text(turns[:number], ask=True) for number in answers)
        led = [prompt + self._goes_on(turns, number, whole, prompt) for number, prompt in zip(answers, prompts, strict=True)]
        texts = list(dict.fromkeys([whole, *prompts, *led]))
        made = dict(zip(texts, self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"], strict=True))
        ids, replies = made[whole], []
        for number, prompt, begun in zip(answers, map(made.get, prompts), map(made.get, led), strict=True):
            if ids[: len(prompt)] != prompt:
                place = first_difference(ids, prompt)
                raise UserError(
                    f"{named(turns, number)} begins inside a token: where serving asks for it, token {place + 1} is {self.token(prompt, place)}, "
                    f"and in the whole chat it is {self.token(ids, place)}; take the white space from the beginning of the reply"
                )
            first = len(begun) if ids[: len(begun)] == begun else len(prompt)
            replies.append(Reply(number, len(prompt), first, ids.index(self.end, first)))
        return Served(ids, replies)

    def _goes_on(self, turns: Sequence[Turn], number: int, whole: str, prompt: str) -> str:
        """The white space that the template writes between a reply's prompt and its words.

        Raises UserError unless the whole chat goes on from the prompt with the words and the end of turn, and the prompt has all words before them.
        """
        if not whole.startswith(prompt):
            place = first_difference(whole, prompt)
            raise UserError(
                f"where serving asks for {named(turns, number)}, the chat template writes {_excerpt(prompt, place)}, "
                f"and in the whole chat {_excerpt(whole, place)}; {REMEDY}"
            )
        behind, words = whole[len(prompt) :], turns[number]["value"].strip()
        rest = behind.lstrip()
        if not rest.startswith(words):
            raise UserError(f"{named(turns, number)}: the chat template writes {_excerpt(rest, 0)} in place of the words {_excerpt(words, 0)}; {REMEDY}")
        if not rest[len(words) :].lstrip().startswith(self.decoded([self.end])):
            raise UserError(
                f"{named(turns, number)}: the chat template writes {_excerpt(rest, len(words))} behind the words, and not the end-of-turn token "
                f"{self.token([self.end], 0)}; {REMEDY}"
            )
        for earlier, turn in enumerate(turns[:number]):
            if turn["value"].strip() not in prompt:
                raise UserError(f"the chat template leaves out {named(turns, earlier)}, or changes its words {_excerpt(turn['value'], 0)}; {REMEDY}")
        return "" if behind.startswith(turns[number]["value"]) else behind[: len(behind) - len(rest)]

    def decoded(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones too, as it is."""
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def token(self, ids: Sequence[int], place: int) -> str:
        """A token for a sentence: its text and id."""
        return f"{self.decoded(ids[place : place + 1])!r} (id {ids[place]})" if place < len(ids) else "none, the chat has ended"


def named(turns: Sequence[Turn], number: int) -> str:
    """A turn for a sentence."""
    return f"turn {number + 1} ({turns[number]['from']})"


def first_difference(one: Sequence, other: Sequence) -> int:
    """The first place where two differ, which may be the end of the shorter one."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _excerpt(text: str, place: int) -> str:
    part = text[place : place + SHOWN]
    return repr(part + ("..." if place + SHOWN < len(text) else "")) if part else "nothing"
