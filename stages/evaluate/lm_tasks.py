"""General ability by tasks of the lm-evaluation-harness: what base and tuned score in the same documents."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

import numpy as np

from stages.common.errors import UserError
from stages.evaluate.inputs import PLAIN, checked_lines
from stages.evaluate.intervals import Estimate, paired_difference, wilson
from stages.evaluate.resampling import jackknife

Documents = dict[str, dict[str, dict[int, float]]]
"""By task and arm, the score of each document by its number."""

FIELDS = {"arm": PLAIN, "task": str, "metric": str, "id": int, "score": float}


def read(path: str | Path) -> Documents:
    """The lines of lm_eval.jsonl. Raises UserError where one is not what the answer stage promises, or the arms were not asked the same documents."""
    found: Documents = {}
    for record in checked_lines(path, FIELDS):
        found.setdefault(record["task"], {arm: {} for arm in PLAIN})[record["arm"]][record["id"]] = record["score"]
    for task, arms in found.items():
        if len({frozenset(scores) for scores in arms.values()}) > 1:
            raise UserError(f"{path}: {' and '.join(arms)} were not asked the same documents of {task}; run the answer stage again")
    return found


def figures(documents: Documents, confidence: float) -> dict[str, Estimate | int]:
    """`ARM.lm_eval.TASK`, the mean score; `tuned_vs_base.lm_eval.TASK`, tuned's minus base's over the same documents; `lm_eval.TASK.documents`.

    Right or wrong: Wilson, and Newcombe for the difference. Other scores: the normal interval of a mean. A single document has no interval, and no figure.
    """
    result: dict[str, Estimate | int] = {}
    for task, arms in sorted(documents.items()):
        scores = {arm: [value for _, value in sorted(own.items())] for arm, own in arms.items()}
        if len(scores["base"]) < 2:
            continue
        if set(scores["base"]) | set(scores["tuned"]) <= {0.0, 1.0}:
            result |= {f"{arm}.lm_eval.{task}": wilson(sum(own), len(own), confidence) for arm, own in scores.items()}
            difference = paired_difference(*(list(map(bool, scores[arm])) for arm in ("base", "tuned")), confidence)
        else:
            result |= {f"{arm}.lm_eval.{task}": _mean(own, confidence) for arm, own in scores.items()}
            difference = _mean([tuned - base for base, tuned in zip(scores["base"], scores["tuned"], strict=True)], confidence)
        result |= {f"tuned_vs_base.lm_eval.{task}": difference, f"lm_eval.{task}.documents": len(scores["base"])}
    return result


def _mean(values: Iterable[float], confidence: float) -> Estimate:
    own = np.array(list(values))
    return jackknife(fmean(own), (own.sum() - own) / (len(own) - 1), confidence)
