"""The visitor of a simulated conversation, played by a model: what it is told, and which of its words are fit to be said.

The roles are exchanged: the visitor's own lines are the model's earlier answers, and the character speaks as its user. A small model falls back into an
assistant's manner all the same, says what it has just heard, or says the same thing again. Such words would turn the situation into another one, so they are
not said: in their place stands the file's line for that turn, and what is written down tells which is which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from stages.answer.conversations import Messages, Open, as_written
from stages.answer.served import Served
from stages.answer.situations import TALK
from stages.common import completions, endpoints
from stages.common.answer_store import Answer
from stages.common.chats import normal, normal_words
from stages.common.errors import UserError
from stages.common.in_character import assistant_speech

TOKENS = 40  # of one line: two short sentences
SENTENCES = 2
KNOWN = 0.3  # of a line's trigrams that may have been heard before. The base of the embedded default gives back what it hears, a word changed here and there
PENALTY = {"frequency_penalty": 0.6}  # for the base, as for the embedded teacher (params.yaml, synthesize.request), and for the same reason
CALLED = "Yes? Who is there?"  # what the character is taken to have said before the visitor's first words: the templates of some models let only the user begin
_LABEL = re.compile(r"^(?:the )?visitor ?: ?", re.IGNORECASE)
_QUOTES = "\"'\u2018\u2019\u201c\u201d "
_SENTENCE = re.compile(r".+?(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)[.?!\u2026]+[\"'\u2019\u201d)]*(?=\s|$)")

Asking = Callable[[Sequence[Messages], str], list[str]]
"""(what the visitor's model is sent for each conversation, label of the progress bar) to what it says; nothing where an endpoint does not answer to one."""


def connection(params: Mapping) -> tuple[str, str] | None:
    """(URL, key) of the endpoint that plays the visitor; None where the base does, on the server of this run.

    Raises UserError where the parameters under answer.visitor are no endpoint, or the key is not in the environment.
    """
    url = params["answer.visitor.base_url"]
    if url is None:
        return None
    endpoints.check_address(url, "answer.visitor.base_url")
    if params["answer.visitor.model"] is None:
        raise UserError("params.yaml: answer.visitor.base_url names an endpoint, but answer.visitor.model is null; expected the name of one of its models")
    return url, endpoints.key_in(params["answer.visitor.api_key_env"], url, "answer.visitor.base_url")


def asking(served: Served, params: Mapping) -> Asking:
    """What asks the visitor's model. No answer is kept for another run: there the arms say something else, and no request comes twice."""
    sampling = {"temperature": params["answer.temperature"], "top_p": params["answer.top_p"], "max_tokens": TOKENS}
    own = {"min_p": params["answer.min_p"]} | PENALTY  # vLLM takes them; an endpoint may not
    found, model = connection(params), params["answer.visitor.model"]

    def here(conversations: Sequence[Messages], label: str) -> list[str]:
        return [answer.text for answer in served.ask("base", [{"messages": one, **sampling, **own} for one in conversations], label)]

    def elsewhere(conversations: Sequence[Messages], label: str) -> list[str]:
        requests = [completions.Request(number, {"model": model, "messages": one, **sampling}) for number, one in enumerate(conversations)]
        outcomes = completions.ask(lambda: found, found[0], requests, completions.Terms(params["answer.concurrency"]), label)
        return [outcome.text if isinstance(outcome, Answer) else "" for outcome in outcomes]

    return elsewhere if found else here


def prompts(turn: int, conversations: Open, ask: Asking, label: str) -> list[str]:
    """The visitor's words in a turn of each conversation: the model's in a simulated one from the second turn on, where they are fit, else as they are written."""
    lines = as_written(turn, conversations)
    talks = [place for place, (question, _) in enumerate(conversations) if question["set"] == TALK and turn > 1]
    if talks:
        sent = [messages(conversations[place][0]["visitor"], conversations[place][1]) for place in talks]
        for place, reply in zip(talks, ask(sent, f"{label}: visitor, turn {turn}"), strict=True):
            lines[place] = fit(reply, [one["content"] for one in conversations[place][1] if one["role"] != "system"]) or lines[place]
    return lines


def messages(told: str, so_far: Messages) -> Messages:
    """What the model that plays the visitor is sent: what it is `told`, then the conversation `so_far` with the roles exchanged and without the character's system turn."""
    exchanged = {"user": "assistant", "assistant": "user"}
    turns = [{"role": exchanged[one["role"]], "content": one["content"] or "..."} for one in so_far if one["role"] in exchanged]
    return [{"role": "system", "content": told}, {"role": "user", "content": CALLED}, *turns]


def fit(reply: str, heard: Sequence[str]) -> str | None:
    """The first whole sentences of what a model said as the visitor, at most SENTENCES of its first paragraph, or None where they are none to be said.

    None is where there is no whole sentence, where an assistant speaks and no visitor (by the filter's rules), where something is told and not said ("(smiles)"), and where
    more than KNOWN of the words were `heard` before, from either side.
    """
    paragraph = next((line for line in reply.splitlines() if line.strip()), "")
    whole = _SENTENCE.findall(_LABEL.sub("", paragraph.strip(_QUOTES)).strip(_QUOTES))[:SENTENCES]
    said = "".join(whole).strip()
    if not normal(said) or assistant_speech(said) or set(said) & set("()[]*") or echoes(said, heard):
        return None
    return said


def echoes(said: str, heard: Sequence[str]) -> bool:
    """Whether a line says again what was heard: all of it, or more than KNOWN of its trigrams."""
    if any(f" {normal(said)} " in f" {normal(one)} " for one in heard):
        return True
    own, known = _trigrams(said), set().union(*map(_trigrams, heard))
    return len(own & known) > KNOWN * len(own)


def _trigrams(text: str) -> set[tuple[str, ...]]:
    words = normal_words(text)
    return set(zip(words, words[1:], words[2:], strict=False))
