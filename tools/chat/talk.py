"""A talk: what was asked, every answer that came to it, which one the talk went on with, and what was thought of them. Nothing here is changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stages.common import characters
from stages.common.errors import UserError
from stages.common.schemas import fault
from tools.chat.plain import one_line, plain

WHOLE = "stop"
"""The `finish` of an answer that came to its end; "length" is one that was cut off by answer.max_tokens, "stopped" one that the reader cut off."""


@dataclass(frozen=True)
class Answer:
    """What a speaker ("tuned" or "base") said, and what somebody made of it."""

    speaker: str
    text: str
    finish: str = WHOLE
    edited: str | None = None
    thumb: str | None = None  # "up" or "down"

    @property
    def words(self) -> str:
        """What stands in the talk: the edit, where there is one."""
        return self.text if self.edited is None else self.edited

    @property
    def whole(self) -> bool:
        """Whether it ends where somebody meant it to."""
        return self.finish == WHOLE or self.edited is not None


@dataclass(frozen=True)
class Exchange:
    """What was asked and the answers to it, of which the one at `taken` is what the talk goes on with. Without answers it waits for one."""

    asked: str
    answers: tuple[Answer, ...] = ()
    taken: int = 0


@dataclass(frozen=True)
class Talk:
    """A talk with a character; `card` is in normal form, `user` what {{user}} stands for, `system` a prompt in place of the card's."""

    character: str
    card: Mapping = field(repr=False)
    user: str
    system: str | None = None
    exchanges: tuple[Exchange, ...] = ()

    @property
    def name(self) -> str:
        """As the character is called."""
        return one_line(characters.spoken_name(self.card))

    @property
    def greeting(self) -> str:
        """What the character says first, macros filled; empty where the card has none.

        It is shown and not sent: the chats of training begin with the visitor, and some chat templates refuse any other beginning.
        """
        return plain(characters.fill(self.card["first_mes"], self.name, self.user)).strip()

    def prompt(self, at: int) -> list[dict[str, str]]:
        """The messages, as OpenAI's API has them, that an answer to the exchange at this place is an answer to."""
        earlier, asked = self.exchanges[:at], self.exchanges[at].asked
        turns = [turn for one in earlier for turn in (("user", one.asked), ("assistant", one.answers[one.taken].words))] + [("user", asked)]
        return [{"role": role, "content": words} for role, words in [("system", self.told([words for _, words in turns])), *turns]]

    def told(self, said: list[str]) -> str:
        """What the model is told before the talk: with the card's prompt, what its lorebook has to what was `said`."""
        if self.system is not None:
            return characters.fill(self.system, self.name, self.user)
        return characters.system_prompt(dict(self.card), self.user, said)

    def ask(self, words: str) -> Talk:
        """With something new that was asked; what waited for an answer in vain is gone."""
        answered = self.answered.exchanges
        return replace(self, exchanges=(*answered, Exchange(words)))

    def answer(self, given: Answer) -> Talk:
        """With an answer to what was asked last, which the talk goes on with."""
        last = self.exchanges[-1]
        return self._last(replace(last, answers=(*last.answers, given), taken=len(last.answers)))

    def edit(self, words: str) -> Talk:
        """With other words in place of the last answer's."""
        last = self.exchanges[-1]
        answers = tuple(replace(one, edited=words) if at == last.taken else one for at, one in enumerate(last.answers))
        return self._last(replace(last, answers=answers))

    def undo(self) -> Talk:
        """Without the last exchange."""
        return replace(self, exchanges=self.exchanges[:-1])

    def tell(self, system: str | None) -> Talk:
        """With another system prompt; None is the card's."""
        return replace(self, system=system)

    @property
    def answered(self) -> Talk:
        """Without an exchange at the end that has no answer."""
        return self.undo() if self.exchanges and not self.exchanges[-1].answers else self

    @property
    def turns(self) -> list[dict[str, str]]:
        """ShareGPT: human and gpt in turn, the answers as they were taken and edited."""
        return [
            {"from": who, "value": words} for one in self.answered.exchanges for who, words in (("human", one.asked), ("gpt", one.answers[one.taken].words))
        ]

    def _last(self, exchange: Exchange) -> Talk:
        return replace(self, exchanges=(*self.exchanges[:-1], exchange))


def begin(character: str, cards: Mapping[str, Mapping], user: str) -> Talk:
    """An empty talk. Raises UserError where the character has no card."""
    if character not in cards:
        raise UserError(f"no character {one_line(character)[:80]!r}; cards: {', '.join(cards)}")
    return Talk(character, cards[character], user)


def read(value: object, cards: Mapping[str, Mapping], user: str) -> Talk:
    """The talk that a page sent, as schemas/talk.schema.json has it. Raises UserError, one sentence, where it is none."""
    if problem := fault("talk", value):
        raise UserError(f"no talk: {problem}")
    exchanges = []
    for number, one in enumerate(value["exchanges"]):
        last = number == len(value["exchanges"]) - 1
        if not (one["answers"] or last) or one["taken"] >= max(1, len(one["answers"])):
            raise UserError(f"no talk: exchanges.{number}: no answer {one['taken']} among {len(one['answers'])}; only the last exchange may wait for one")
        exchanges.append(Exchange(one["asked"], tuple(Answer(**answer) for answer in one["answers"]), one["taken"]))
    return replace(begin(value["character"], cards, user), system=value.get("system"), exchanges=tuple(exchanges))
