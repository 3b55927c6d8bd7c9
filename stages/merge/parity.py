"""Which chats are compared, and the bounds on how far a merged model may be from base + adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BOUNDS = ("max_mean_delta", "max_delta", "min_top1_agreement", "max_perplexity_change")


def compared(chats: Sequence[dict], limit: int | None) -> list[dict]:
    """`limit` chats, evenly over all of them and in their order; all where limit is None."""
    count = len(chats) if limit is None else min(limit, len(chats))
    return [chats[number * len(chats) // count] for number in range(count)]


def beyond(found: Mapping[str, float], bounds: Mapping[str, float]) -> str | None:
    """None where all figures keep their bounds, else which do not, with figure and bound. A figure that is not a number keeps none.

    `bounds`: the values of BOUNDS, as the parameter `merge` has them.
    """
    change = abs(found["perplexity_ratio"] - 1)
    kept = (
        (found["mean_delta"] <= bounds["max_mean_delta"], f"mean |difference| {found['mean_delta']} nats, allowed {bounds['max_mean_delta']}"),
        (found["max_delta"] <= bounds["max_delta"], f"largest |difference| {found['max_delta']} nats, allowed {bounds['max_delta']}"),
        (
            found["top1_agreement"] >= bounds["min_top1_agreement"],
            f"same first token at {found['top1_agreement']} of all tokens, at least {bounds['min_top1_agreement']}",
        ),
        (
            change <= bounds["max_perplexity_change"],
            f"perplexity {found['merged_perplexity']} for {found['adapter_perplexity']}, a change of {change:.2%}, allowed {bounds['max_perplexity_change']:.2%}",
        ),
    )
    return "; ".join(words for well, words in kept if not well) or None
