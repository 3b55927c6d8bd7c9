"""A model's answer in JSON, which some put into a Markdown fence, or between words."""

from __future__ import annotations

import json
import re
from typing import Any

FENCE = re.compile(r"```[a-z]*\s*\n?(.*?)\s*```", re.DOTALL)
THOUGHTS = re.compile(r"\s*<think>.*?</think>", re.DOTALL)  # of a model that reasons aloud, before its answer


def without_thoughts(text: str) -> str:
    """The answer alone."""
    return THOUGHTS.sub("", text, count=1) if THOUGHTS.match(text) else text


def parsed(text: str) -> Any:
    """The JSON object in an answer. Raises ValueError, which says why not."""
    fenced = FENCE.search(text)
    found = fenced.group(1) if fenced else text
    around = found.find("{"), found.rfind("}") + 1
    try:
        return json.loads(found[slice(*around)] if 0 <= around[0] < around[1] else found)
    except RecursionError as error:
        raise ValueError(str(error)) from None
