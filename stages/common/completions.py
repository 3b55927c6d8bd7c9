"""Asks an OpenAI-compatible endpoint many questions at once: each answer is kept the moment it comes, no cap is passed, no fault is fatal that can pass."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2
import openai
from tqdm import tqdm

from stages.common.answer_store import Answer, AnswerStore, key
from stages.common.errors import UserError
from stages.common.pacing import Pace
from stages.common.spending import FREE, Ledger, Price, Use, likely, most

ATTEMPTS = 5  # of one request: server errors, time-outs, cut connections, replies that are no completion
REFUSALS = 10  # of one request: too many requests
LONGEST_WAIT = 600.0  # seconds that a Retry-After may ask for; beyond that a person should know
IN_A_ROW = 3  # requests without an answer, none answered in between: the endpoint is gone
OTHERS_TURN = 0.2  # seconds between looks at what another run is asking


@dataclass(frozen=True)
class Terms:
    """How hard an endpoint is asked."""

    concurrency: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 600.0
    """Seconds without a byte from the endpoint; an answer that came later is paid for and lost."""


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

    `connect` gives (URL, key) and is called only where something is missing; `endpoint` is the name under which the store knows who answers.
    Answers of the store count against the ledger's caps too, so that a cap bounds what the whole set has cost, however many runs it took.

    Raises UserError with the server's words for a refusal (4xx but 429), a redirect, a certificate that does not hold, or an endpoint that is gone.
    What was answered until then stays in the store.
    """
    store, ledger = store or AnswerStore(None), ledger or Ledger()
    keys = [key(endpoint, request.index, request.body) for request in requests]
    found = store.find(keys)
    ledger.spent += sum((price.use(answer.prompt_tokens, answer.completion_tokens) for answer in found.values()), Use())
    unanswered: dict[str, Unanswered] = {}
    with tqdm(total=len(requests), initial=len(found), desc=label, unit="answer", dynamic_ncols=True) as bar:
        missing = [(name, request) for name, request in zip(keys, requests, strict=True) if name not in found]
        if missing:
            url, secret = connect()
            run = _Run(url, secret, terms, store, ledger, price, bar)
            bar.unpause()  # the rate is that of this run, without what the store had and what the endpoint took to start
            unanswered = asyncio.run(run.ask_all(missing))
            if run.error:
                kept = "" if store.path is None else f"; {bar.n} of {len(requests)} answers are kept, the next run asks for the others alone"
                raise UserError(f"{run.error}{kept}")
            found = store.find(keys)
    return [found.get(name) or unanswered[name] for name in keys]


def all_answered(outcomes: Sequence[Answer | Unanswered]) -> list[Answer]:
    """The answers. Raises UserError where one is missing."""
    for outcome in outcomes:
        if isinstance(outcome, Unanswered):
            raise UserError(outcome.why)
    return list(outcomes)


class _Stop(Exception):
    """The whole run ends; the message is for the person."""


class _Later(Exception):
    """The endpoint has too many requests: this one goes back into the queue."""


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
    error: str | None = None
    running: int = 0
    capped: str | None = None
    failed: int = 0
    failed_in_a_row: int = 0
    refusals: Counter = field(default_factory=Counter)
    unanswered: dict[str, Unanswered] = field(default_factory=dict)

    async def ask_all(self, missing: Sequence[tuple[str, Request]]) -> dict[str, Unanswered]:
        """Ask each of (key, request) that is not in the store, and give those that have no answer in the end."""
        self.queue, self.changed, self.ended = deque(missing), asyncio.Event(), asyncio.Event()
        self.pace = Pace(self.terms.concurrency, self.terms.requests_per_minute, self.terms.tokens_per_minute)
        async with _client(self.url, self.secret, self.terms) as self.client, asyncio.TaskGroup() as group:
            await self._dispatch(group)
        if self.capped:
            self.unanswered |= {name: Unanswered(f"{self.capped} would be passed", capped=True) for name, _ in self.queue}
        return self.unanswered

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        """Start a task for each request of the queue when its turn has come, until none is left and none runs."""
        elsewhere = 0  # requests in a row that another process is asking
        while not self.error and (self.queue or self.running):
            if not self.queue:
                await self._change()
                continue
            name, request = self.queue[0]
            if not self.store.claim(name):
                self.queue.rotate(-1)
                elsewhere += 1
                if elsewhere >= len(self.queue):
                    elsewhere = 0
                    await self._change(OTHERS_TURN)
                continue
            elsewhere = 0
            if self.store.find([name]):  # another process asked for it meanwhile
                self.store.release(name)
                self.queue.popleft()
                self.bar.update()
                continue
            if not await self._turn(request):
                self.store.release(name)
                return
            self.queue.popleft()
            group.create_task(self._one(name, request))

    async def _turn(self, request: Request) -> bool:
        """Wait until the request may go; False where the run ends, or a cap is reached and nothing in flight can still cost less than feared."""
        upper = most(request.body, self.price)
        while not self.error:
            cap = self.ledger.refuses(upper)
            if cap and not self.running:
                self.capped = cap
                return False
            if cap or not self.pace.free(self.running):
                await self._change()
            elif (seconds := self.pace.wait(self._now())) > 0:
                await self._change(seconds)
            else:
                self.running += 1
                self.ledger.begin(upper)
                self.pace.went(likely(request.body).tokens)
                return True
        return False

    async def _one(self, name: str, request: Request) -> None:
        """One request to its end: an answer in the store, back into the queue, or unanswered."""
        used = Use()
        try:
            answer = await self._answer(name, request.body)
            self.store.put({name: answer})
            used = self.price.use(answer.prompt_tokens, answer.completion_tokens)
            self.failed_in_a_row = 0
            self.pace.answered()
            self.bar.update()
        except _Later:
            self.queue.appendleft((name, request))
        except UserError as error:
            self.unanswered[name] = Unanswered(str(error))
            self.failed += 1
            self.failed_in_a_row += 1
            if self.failed_in_a_row >= IN_A_ROW:
                self.error = str(error)
        except _Stop as error:
            self.error = self.error or str(error)
        finally:
            self.store.release(name)
            self.running -= 1
            self.ledger.end(most(request.body, self.price), used)
            self.bar.set_postfix_str(self._so_far(), refresh=False)
            self.changed.set()
            if self.error:
                self.ended.set()

    async def _answer(self, name: str, body: dict) -> Answer:
        """Send a request until it is answered. Raises _Later, _Stop, or UserError where the last attempt failed."""
        for attempt in range(1, ATTEMPTS + 1):
            sent = self._now()
            try:
                reply = await self.client.post("/chat/completions", cast_to=httpx2.Response, body=body)
            except openai.APIStatusError as error:
                said = f"the endpoint answered {error.status_code} to model {body['model']}: {self._words(error)}"
                if error.status_code == 429:
                    raise self._too_many(name, said, error, sent) from None
                if error.status_code < 500 and error.status_code != 408:
                    raise _Stop(said) from None
            except openai.APIConnectionError as error:
                said = f"no answer from {self.url}: {self._reason(error)}"
                if _about_certificate(error):
                    raise _Stop(said) from None
            else:
                if answer := read(reply.content):
                    return answer
                said = f"{self.url} sent no chat completion to model {body['model']}: {' '.join(reply.content[:200].decode('utf-8', 'replace').split())}"
            self.pace.stumbled()
            if attempt < ATTEMPTS and not self.error:
                await self._pause(2.0 ** (attempt - 1) * random.uniform(0.5, 1.5))
            if self.error:
                break
        raise UserError(said)

    def _too_many(self, name: str, said: str, error: openai.APIStatusError, sent: float) -> Exception:
        """What a 429 leads to: another try later, at half as many at once, or the end where waiting does not help."""
        self.refusals[name] += 1
        if getattr(error, "code", None) == "insufficient_quota" or self.refusals[name] > REFUSALS:
            return _Stop(said)
        seconds = _seconds(error.response.headers.get("retry-after"), otherwise=min(60.0, 2.0 ** self.refusals[name]) * random.uniform(0.5, 1.5))
        if seconds > LONGEST_WAIT:
            return _Stop(f"{said} (it asks to wait {seconds:.0f} s)")
        self.pace.refused(sent, seconds, self._now())
        return _Later()

    def _words(self, error: openai.APIStatusError) -> str:
        """What the server said, on one line, without the key: some servers repeat it."""
        if 300 <= error.status_code < 400:
            return f"a redirect to {error.response.headers.get('location')}: name the endpoint itself"
        return " ".join(error.message.replace(self.secret, "***").split())[:300]

    def _reason(self, error: openai.APIConnectionError) -> str:
        """Why a connection failed, in the words of what failed first."""
        if isinstance(error, openai.APITimeoutError):
            return f"silence for {self.terms.timeout:g} s"
        causes = [str(cause) for cause in _causes(error) if str(cause)]
        return " ".join(causes[-1].replace(self.secret, "***").split())[:300] if causes else "the connection failed"

    async def _change(self, seconds: float | None = None) -> None:
        """Wait until a request ends, or for so many seconds."""
        self.changed.clear()
        try:
            await asyncio.wait_for(self.changed.wait(), seconds)
        except TimeoutError:
            pass

    async def _pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until the whole run ends."""
        try:
            await asyncio.wait_for(self.ended.wait(), seconds)
        except TimeoutError:
            pass

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _so_far(self) -> str:
        spent = self.ledger.spent
        return f"{self.failed} failed, {spent.tokens} tokens{f', ${spent.usd:.4f}' if spent.usd else ''}"


def _client(url: str, secret: str, terms: Terms) -> openai.AsyncOpenAI:
    """The SDK's client without its retries, which would hide what an endpoint bears, and without following redirects, which would carry prompts elsewhere."""
    # A company's proxy must not come between us and a server on this machine.
    here = urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=terms.concurrency)
    http = openai.DefaultAsyncHttpxClient(trust_env=not here, follow_redirects=False, limits=limits)
    return openai.AsyncOpenAI(base_url=url, api_key=secret, max_retries=0, timeout=terms.timeout, http_client=http)


def _causes(error: BaseException) -> list[BaseException]:
    """The exceptions behind an exception, the first one last."""
    found = []
    while (error := error.__cause__ or error.__context__) is not None:
        found.append(error)
    return found


def _about_certificate(error: BaseException) -> bool:
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _seconds(after: str | None, otherwise: float) -> float:
    """Retry-After in seconds; `otherwise` where there is none, or a date (RFC 9110, 10.2.3)."""
    try:
        return max(0.0, float(after))
    except (TypeError, ValueError):
        return otherwise


def read(content: bytes) -> Answer | None:
    """The answer in the body of a reply, None where it is no chat completion."""
    try:
        reply = json.loads(content)
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        message = choice["message"]
        words, refusal = message.get("content") or "", message.get("refusal")
        tokens = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        if not isinstance(words, str):
            raise TypeError(type(words).__name__)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    finish = "refusal" if refusal and not words else str(choice.get("finish_reason") or "stop")
    text = (str(refusal) if finish == "refusal" else words).encode("utf-8", "replace").decode()  # JSON can hold half a surrogate pair, UTF-8 cannot
    return Answer(text, finish, *(count if isinstance(count, int) else 0 for count in tokens))
