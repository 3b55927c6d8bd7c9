"""Asks an OpenAI-compatible endpoint many questions at once: each answer is kept the moment it comes, no cap is passed, no fault is fatal that can pass."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace

import httpx2
import openai
from tqdm import tqdm

from stages.common import chat_api
from stages.common.answer_store import Answer, AnswerStore, key
from stages.common.errors import UserError
from stages.common.pacing import Pace
from stages.common.spending import FREE, Ledger, Price, Use, likely, most

ATTEMPTS = 5  # of one request: server errors, time-outs, cut connections, replies that are no completion
REFUSALS = 12  # of one request, as one of too many: six minutes where nothing else is answered, by the waits below
# The endpoint is gone when requests in a row have no answer: 3 that nobody answered, or 20 that ended in server errors. What it answers otherwise is alive.
SILENT, ERRORS = 1 / 3, 1 / 20
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds after a failure: twice as long after the next one
LONGEST_RETRY_AFTER = 600.0  # seconds that an endpoint may ask to wait; beyond that a person should know
LOOK_AT = {404: "; is the address whole, which mostly ends in /v1, and the model's name right?"}
OTHERS_TURN = 0.2  # seconds between looks at what another run is asking


@dataclass(frozen=True)
class Terms:
    """How hard an endpoint is asked."""

    concurrency: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 600.0
    """Seconds that an answer may take; one that came later is paid for and lost."""


@dataclass(frozen=True)
class Request:
    """A chat completion request in the API's own fields, and its number among requests that may be equal."""

    index: int
    body: dict


@dataclass(frozen=True)
class Unanswered:
    """Why a request has no answer: the endpoint's words, or the cap that it would have passed (`capped`)."""

    why: str
    capped: bool = False


def ask(
    connect: Callable[[], tuple[str, str]],
    endpoint: str,
    requests: Sequence[Request],
    terms: Terms,
    label: str,
    store: AnswerStore | None = None,
    ledger: Ledger | None = None,
    price: Price = FREE,
) -> list[Answer | Unanswered]:
    """The answers to requests, in their order: out of the store where it has them, else from the endpoint, and then into the store.

    `connect` gives (URL, key) and is called only where something is missing and a cap lets it be asked; `endpoint` is the name under which the store
    knows who answers. A cap bounds what the whole set has cost, in however many runs, one after another or at once: each request is in the store's book at
    its most before it goes out, and stays so where its answer was lost on the way or its run was killed, for it may be on the bill. What the endpoint turned
    away counts nothing.

    Raises UserError with the server's words for a refusal (4xx but 429, and but a prompt that the endpoint's own filter refuses), a redirect, a certificate
    that does not hold, or an endpoint that is gone. What was answered until then stays in the store.
    """
    store, ledger = store or AnswerStore(None), ledger or Ledger()
    keys = [key(endpoint, request.index, request.body) for request in requests]
    asked = dict(zip(keys, requests, strict=True))  # equal ones with one number are one request
    found = store.find(asked)
    ledger.watch(asked, price, store)
    missing = {name: request for name, request in asked.items() if name not in found}
    unanswered: dict[str, Unanswered] = {}
    with tqdm(total=len(asked), initial=len(found), desc=label, unit="answer", dynamic_ncols=True) as bar:
        cap = ledger.refuses(most(next(iter(missing.values())).body, price)) if missing else None
        if cap:
            unanswered = dict.fromkeys(missing, _passed(cap))
        elif missing:
            url, secret = connect()
            bar.unpause()  # the rate is that of this run, without what the store had and what the endpoint took to start
            try:
                unanswered = asyncio.run(_Run(url, secret, terms, store, ledger, price, bar).ask_all(missing))
            except UserError as error:
                kept = "" if store.path is None else f"; {bar.n} of {len(asked)} answers are kept, the next run asks for the others alone"
                raise UserError(f"{error}{kept}") from None
            found = store.find(asked)
    return [found.get(name) or unanswered[name] for name in keys]


def _passed(cap: str) -> Unanswered:
    return Unanswered(f"{cap} would be passed", capped=True)


def all_answered(outcomes: Sequence[Answer | Unanswered]) -> list[Answer]:
    """The answers. Raises UserError where one is missing."""
    for outcome in outcomes:
        if isinstance(outcome, Unanswered):
            raise UserError(outcome.why)
    return list(outcomes)


class _Refused(Exception):
    """The endpoint's own filter does not let this prompt pass; the message has its words."""


class _Passing(Exception):
    """An attempt failed, and another may not; the message says how.

    `billed`: whether the endpoint may have written an answer nonetheless. `gone`: how far it goes to show that there is no endpoint any more, 0 to 1.
    """

    def __init__(self, why: str, billed: bool, gone: float = 0.0):
        super().__init__(why)
        self.billed, self.gone = billed, gone


class _TooMany(_Passing):
    """The endpoint has too many requests (429)."""


@dataclass(eq=False)
class _Question:
    """A request on its way to an answer, and what happened to it so far."""

    key: str
    request: Request
    upper: Use
    failures: int = 0
    refusals: int = 0


@dataclass
class _Run:
    """One run's questions to one endpoint."""

    url: str
    secret: str
    terms: Terms
    store: AnswerStore
    ledger: Ledger
    price: Price
    bar: tqdm
    error: Exception | None = None
    capped: str | None = None
    running: int = 0
    answered: bool = False
    failed: int = 0
    gone: float = 0.0
    unanswered: dict[str, Unanswered] = field(default_factory=dict)

    async def ask_all(self, missing: Mapping[str, Request]) -> dict[str, Unanswered]:
        """Ask each request that is not in the store, by key; those that have no answer in the end.

        Where a cap or an error ends the run, answers on their way are waited for: they are paid for. Ctrl-C and SIGTERM wait for nobody.
        """
        self.queue = deque(_Question(name, request, most(request.body, self.price)) for name, request in missing.items())
        self.changed, self.ended = asyncio.Event(), asyncio.Event()
        self.pace = Pace(self.terms.concurrency, self.terms.requests_per_minute, self.terms.tokens_per_minute)
        async with AsyncExitStack() as stack:
            self.client = await stack.enter_async_context(chat_api.client(self.url, self.secret, self.terms.concurrency, self.terms.timeout))
            group = await stack.enter_async_context(asyncio.TaskGroup())
            try:
                await self._dispatch(group)
            except Exception as error:
                self._end(error)
        if self.error:
            raise self.error
        if self.capped:
            self.unanswered |= {question.key: _passed(self.capped) for question in self.queue}
        return self.unanswered

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        """Start a task for each request of the queue as soon as it may go, until none is left and none runs, or a cap or an error ends the run.

        Nothing that was looked at before a wait is relied on after it.
        """
        elsewhere = 0  # requests in a row that another process is asking
        while not self.error and (self.queue or self.running):
            cap = self.ledger.refuses(self.queue[0].upper) if self.queue else None
            if cap and not self.running:  # nothing is in flight that may still cost less than feared
                self.capped = cap
                return
            if cap or not self.queue or not self.pace.free(self.running):
                await self._change()
            elif (seconds := self.pace.wait(_now())) > 0:
                await self._change(seconds)
            elif elsewhere >= len(self.queue):
                elsewhere = 0
                self.bar.set_postfix_str("another run is asking the rest")
                await self._change(OTHERS_TURN)
            else:
                elsewhere = 0 if self._start(group, self.queue.popleft()) else elsewhere + 1
                await asyncio.sleep(0)  # those that go out in one step of the loop come back in one, and wait for each other: 4 % of the rate

    def _start(self, group: asyncio.TaskGroup, question: _Question) -> bool:
        """Send a request, or find that another process has its answer. False where that one is asking for it now: then it goes to the end of the queue."""
        if not self.store.claim(question.key):
            self.queue.append(question)
            return False
        if self.store.find([question.key]):
            self.store.release(question.key)
            self.bar.update()
            return True
        with self.store.exclusive():  # of two runs at the edge of a cap one goes first, and the other sees it
            if self.ledger.bound:
                self.ledger.catch_up(self.store)
            if self.ledger.refuses(question.upper):
                self.store.release(question.key)
                self.queue.appendleft(question)
                return True
            self.store.book(question.key, 1, question.upper.prompt_tokens, question.upper.completion_tokens)
        self.running += 1
        self.ledger.begin(question.upper)
        self.pace.went(likely(question.request.body).tokens if self.terms.tokens_per_minute else 0, _now())
        group.create_task(self._one(question))
        return True

    async def _one(self, question: _Question) -> None:
        """One attempt at a request, and what comes of it: an answer in the store, a place in the queue again, or none."""
        try:
            await self._attempt(question)
        except _Passing as fault:
            question.refusals += isinstance(fault, _TooMany)
            question.failures += not isinstance(fault, _TooMany)
            if question.failures == ATTEMPTS or question.refusals == REFUSALS:
                self._give_up(question, str(fault), fault.gone if self.answered else SILENT)
            else:
                if question.failures and not isinstance(fault, _TooMany):
                    await _wait(self.ended, _backoff(question.failures))
                self.queue.appendleft(question)
        except _Refused as refused:
            self._give_up(question, str(refused), gone=0.0)
        except Exception as error:
            self._end(error)
        finally:
            self.store.release(question.key)
            self.running -= 1
            self.bar.set_postfix_str(self._so_far(), refresh=False)
            self.changed.set()

    async def _attempt(self, question: _Question) -> None:
        """Send a request and keep its answer. Raises _Passing, or UserError where the whole run has to end."""
        used, answer = question.upper, None  # the answer may be written and lost
        try:
            answer = await self._send(question)
            used = self._cost(answer)
        except _Passing as fault:
            used = question.upper if fault.billed else Use()
            raise
        except (UserError, _Refused):
            used = Use()
            raise
        finally:
            self.ledger.end(question.upper, used)
            less = used - question.upper
            self.store.settle(question.key, less.requests, less.prompt_tokens, less.completion_tokens, answer)
        self.answered, self.gone = True, 0.0
        self.pace.answered()
        self.bar.update()

    def _give_up(self, question: _Question, why: str, gone: float) -> None:
        """A request stays without an answer; so does the rest of the run after a few in a row that look as if the endpoint were `gone`."""
        self.unanswered[question.key] = Unanswered(why)
        self.failed += 1
        self.gone += gone
        if self.gone > 0.999:
            self._end(UserError(why))

    def _end(self, error: Exception) -> None:
        """End the run: nothing more is sent. The first error is the one that is told."""
        self.error = self.error or error
        self.ended.set()

    async def _send(self, question: _Question) -> Answer:
        """The endpoint's answer to a request."""
        body, sent = question.request.body, _now()
        try:
            async with asyncio.timeout(self.terms.timeout):  # httpx2's own is for each read: an endpoint that sends a byte now and then would hold it forever
                reply = await self.client.post("/chat/completions", cast_to=httpx2.Response, body=body)
        except openai.APIStatusError as error:
            raise self._refusal(
                error,
                f"{self.url} answered {error.status_code} to model {body['model']}: {self._clean(chat_api.said(error))}{LOOK_AT.get(error.status_code, '')}",
                sent,
            ) from None
        except chat_api.NO_REPLY as error:
            causes = chat_api.causes(error)
            if isinstance(error, TimeoutError):
                why = f"silence for {self.terms.timeout:g} s"
            else:
                why = self._clean(next((str(cause) for cause in causes if str(cause)), "the connection failed"))
            if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
                raise UserError(f"no answer from {self.url}: {why}") from None
            self.pace.stumbled()
            raise _Passing(f"no answer from {self.url}: {why}", billed=not chat_api.never_connected(causes), gone=SILENT) from None
        if answer := chat_api.read(reply.content, question.upper):
            return replace(answer, text=chat_api.without(answer.text, self.secret), finish=chat_api.without(answer.finish, self.secret))
        self.pace.stumbled()
        raise _Passing(f"{self.url} sent no chat completion to model {body['model']}: {self._clean(reply.text)}", billed=True)

    def _refusal(self, error: openai.APIStatusError, said: str, sent: float) -> Exception:
        """What a status that is no success leads to."""
        if error.status_code == 429 and error.code != "insufficient_quota":
            return self._too_many(error.response.headers, said, sent)
        if error.status_code == 408 or error.status_code >= 500:
            self.pace.stumbled()
            return _Passing(said, billed=False, gone=ERRORS)
        if error.code == "content_filter":
            return _Refused(said)
        return UserError(said)

    def _too_many(self, headers: Mapping[str, str], said: str, sent: float) -> Exception:
        """What a 429 leads to: half as many at once, after a while; the end where that is too long."""
        seconds = max(chat_api.retry_after(headers), _backoff(self.pace.refused(sent, _now())))
        if seconds > LONGEST_RETRY_AFTER:
            return UserError(f"{said} (it asks to wait {seconds:.0f} s)")
        self.pace.close(_now() + seconds)
        return _TooMany(said, billed=False)

    def _cost(self, answer: Answer) -> Use:
        return self.price.use(answer.prompt_tokens, answer.completion_tokens)

    def _clean(self, said: str) -> str:
        """Others' words on one line, without the key: some servers repeat it."""
        return " ".join(chat_api.without(said, self.secret).split())[:300]

    async def _change(self, seconds: float | None = None) -> None:
        """Wait until a request ends, or for so many seconds. Between the look that led here and the clearing nobody else runs: no end is missed."""
        self.changed.clear()
        await _wait(self.changed, seconds)

    def _so_far(self) -> str:
        spent = self.ledger.spent
        return f"{self.failed} failed, {spent.tokens} tokens{f', ${spent.usd:.4f}' if spent.usd else ''}"


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    """Wait for an event, but no longer than that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _backoff(failures: int) -> float:
    """Seconds to wait after so many failures; drawn, so that what failed together does not come back together."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (failures - 1)) * random.uniform(0.5, 1.5)
