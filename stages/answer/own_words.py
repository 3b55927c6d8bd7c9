"""Whether an arm's answers are its own: text that one model wrote is likelier under that model than under another.

A server can answer as one model under the other's name, for some requests and not for others; the answers alone do not show it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, sqrt
from statistics import fmean, stdev

from stages.common.errors import UserError

SAMPLE = 8  # conversations of each arm, about two thousand tokens: a second or two of scoring each
FOREIGN = -0.05  # nats a token; sampling below temperature 1 can move the mean below zero by hundredths, another speaker by tenths
SURE = 3.0  # standard errors


def sample(spoken: Sequence[Mapping], told: Callable[[Mapping], str]) -> list[dict]:
    """Up to SAMPLE of one arm's conversations, evenly over all of them, as chats with id and character: what was `told`, then prompts and answers in turn.

    A conversation in which the arm once said nothing is left out.
    """
    step = max(1, len(spoken) // SAMPLE)
    return [
        {
            "id": f"{one['set']}-{one['id']}-{one['character']}",
            "character": one["character"],
            "conversations": [
                {"from": "system", "value": told(one)},
                *(
                    {"from": speaker, "value": words}
                    for prompt, answer in zip(one["said"], one["answers"], strict=True)
                    for speaker, words in (("human", prompt), ("gpt", answer.text.strip()))
                ),
            ],
        }
        for one in spoken[::step][:SAMPLE]
        if all(answer.text.strip() for answer in one["answers"])
    ]


def margin(arm: str, rows: Sequence[dict]) -> float:
    """By how many nats a token the arm's answers are likelier under the arm than under the other one; 0 where it said nothing.

    `rows` hold "arm", "id", "nll" and "tokens" for each conversation under both models. Where the arm spoke, the mean is the Kullback-Leibler
    divergence of the two, above zero. Raises UserError where it is below FOREIGN by more than SURE standard errors: then another spoke.
    """
    nats = {(row["arm"] == arm, row["id"]): row["nll"] / row["tokens"] for row in rows}
    gains = [nats[False, name] - own for (mine, name), own in sorted(nats.items()) if mine]
    if not gains:
        return 0.0
    mean, error = fmean(gains), stdev(gains) / sqrt(len(gains)) if len(gains) > 1 else inf
    if mean + SURE * error < FOREIGN:
        raise UserError(
            f"the answers of {arm} are {-mean:.3f} nats a token likelier under the other model (standard error {error:.3f}, {len(gains)} conversations): "
            "the server let another model speak than it was asked for"
        )
    return round(mean, 6)
