"""Which chats are compared, and the bounds on how far a merged model may be from base + adapter."""

from __future__ import annotations

from collections.abc import Sequence


def compared(chats: Sequence[dict], limit: int | None) -> list[dict]:
    """`limit` chats, evenly over all of them and in their order; all where limit is None."""
    count = len(chats) if limit is None else min(limit, len(chats))
    return [chats[number * len(chats) // count] for number in range(count)]


def beyond(found: dict[str, float], max_mean_delta: float, max_delta: float, min_top1_agreement: float) -> str | None:
    """None where all figures keep their bounds, else which do not, with figure and bound. A figure that is not a number keeps none."""
    bounds = (
        (found["mean_delta"] <= max_mean_delta, f"mean |difference| {found['mean_delta']} nats, allowed {max_mean_delta}"),
        (found["max_delta"] <= max_delta, f"largest |difference| {found['max_delta']} nats, allowed {max_delta}"),
        (found["top1_agreement"] >= min_top1_agreement, f"same first token at {found['top1_agreement']} of all tokens, at least {min_top1_agreement}"),
    )
    return "; ".join(words for kept, words in bounds if not kept) or None
