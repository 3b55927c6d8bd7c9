"""What requests cost, and the caps that no run passes: requests in flight are counted at the most that they can cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from stages.common.answer_store import AnswerStore

TEMPLATE = 256  # tokens that a chat template may put around the messages: a date, a system prompt of its own (gpt-oss: about 70)
BOUNDS = ("max_tokens", "max_completion_tokens")  # a request's bound on its answer, and the name that OpenAI's reasoning models know it by
DUST = 1e-9  # of a cap: what sums of dollars may be off by


@dataclass(frozen=True)
class Use:
    """Requests, their tokens, and US dollars."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Use) -> Use:
        return Use(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.usd + other.usd,
        )

    def __sub__(self, other: Use) -> Use:
        return self + Use(-other.requests, -other.prompt_tokens, -other.completion_tokens, -other.usd)


@dataclass(frozen=True)
class Price:
    """US dollars a million tokens."""

    input: float
    output: float

    def use(self, prompt_tokens: int, completion_tokens: int) -> Use:
        """One request of so many tokens, with what it costs."""
        return Use(1, prompt_tokens, completion_tokens, (prompt_tokens * self.input + completion_tokens * self.output) / 1e6)


FREE = Price(0.0, 0.0)


@dataclass(frozen=True)
class Caps:
    """Upper bounds; None is no bound."""

    usd: float | None = None
    requests: int | None = None
    tokens: int | None = None


def most(body: Mapping, price: Price = FREE) -> Use:
    """The most that a chat request can use: no tokenizer that works on bytes makes more tokens of a text than it has bytes, and `max_tokens` ends the answer.

    A request with none of BOUNDS has no bound on its answer; none is counted.
    """
    return price.use(_written(body) + TEMPLATE, _longest(body))


def likely(body: Mapping, price: Price = FREE) -> Use:
    """What a chat request of English words probably uses: four bytes a token (OpenAI's rule of thumb), and an answer of full length."""
    return price.use(_written(body) // 4, _longest(body))


def _written(body: Mapping) -> int:
    """Bytes of all that a model may be told: the messages, and the schema of the answer too."""
    return len(json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _longest(body: Mapping) -> int:
    return max(body.get(name) or 0 for name in BOUNDS)


class Ledger:
    """What a set of requests has taken, held against the caps: its own run's requests in flight at their most, and what other runs have booked for the same ones."""

    def __init__(self, caps: Caps | None = None):
        self.caps = caps or Caps()
        self.spent = self.in_flight = Use()
        self._prices: dict[str, Price] = {}
        self._seen = 0

    def watch(self, keys: Iterable[str], price: Price, store: AnswerStore) -> None:
        """Count what was ever booked for these keys, and from now on what other runs book."""
        with store.exclusive():
            self.catch_up(store)
            new = [name for name in keys if name not in self._prices]
            self._prices |= dict.fromkeys(new, price)
            self._add(store.booked(new))

    def catch_up(self, store: AnswerStore) -> None:
        """Count what other runs have booked since the last look."""
        self._seen, others = store.booked_since(self._seen)
        self._add(row for row in others if row[0] in self._prices)

    def _add(self, booked: Iterable[tuple[str, int, int, int]]) -> None:
        for name, requests, prompt_tokens, completion_tokens in booked:
            self.spent += replace(self._prices[name].use(prompt_tokens, completion_tokens), requests=requests)

    def refuses(self, upper: Use) -> str | None:
        """The cap that a request which uses `upper` could pass, in words, or None."""
        then = self.spent + self.in_flight + upper
        held = (("max_requests", self.caps.requests, then.requests), ("max_tokens", self.caps.tokens, then.tokens), ("max_usd", self.caps.usd, then.usd))
        return next((f"{name} {cap}" for name, cap, figure in held if cap is not None and figure > cap * (1 + DUST)), None)

    @property
    def bound(self) -> bool:
        """Whether there is any cap."""
        return self.caps != Caps()

    def begin(self, upper: Use) -> None:
        self.in_flight += upper

    def end(self, upper: Use, used: Use) -> None:
        """What was in flight as `upper` has used `used`."""
        self.in_flight -= upper
        self.spent += used
