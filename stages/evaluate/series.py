"""The series behind the charts: how long answers are, where the red team gets through, how long they stay in character, what is known of the world. For `dvc plots` and for the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stages.evaluate.inputs import ARMS, Exchange
from stages.evaluate.intervals import Estimate
from stages.evaluate.redteam import Breaks
from stages.evaluate.scores import Gold, Scores

# Fixed bins, so that two runs can be laid over each other; the last one is open. 120 words is filter.max_words.
BIN_WORDS = 10
LAST_BIN = 120
FORMULAS = ("=", "+", "-", "@")  # how one begins


@dataclass(frozen=True)
class Length:
    """The share of one arm's answers whose words lie in [words, words + BIN_WORDS), the last bin having no end."""

    arm: str
    words: int
    share: float


def lengths(exchanges: Iterable[Exchange], gold: Iterable[Gold]) -> list[Length]:
    """The distribution of words of the gold's replies and of each arm's answers to the evaluation prompts, all bins, empty ones too."""
    evaluation = [exchange for exchange in exchanges if exchange.set == "evaluation"]
    counts = {"gold": [count for chat in gold for count in chat.words]}
    counts |= {arm: [exchange.answers[arm].words for exchange in evaluation] for arm in ARMS}
    rows = []
    for arm, found in counts.items():
        bins = [min(count // BIN_WORDS * BIN_WORDS, LAST_BIN) for count in found]
        rows += [Length(arm, edge, bins.count(edge) / len(bins)) for edge in range(0, LAST_BIN + 1, BIN_WORDS)]
    return rows


def arms_csv(scores: Scores, each: Mapping[str, Scores]) -> str:
    """plots/evaluate/arms.csv: metric, character, arm, value and the ends of its interval, of every figure that an arm has; of all characters together, "all", and of each.

    A figure without an interval is its own ends.
    """
    rows = []
    for character, own in {"all": scores, **each}.items():
        for name, figure in own.items():
            arm, _, metric = name.partition(".")
            if arm in ARMS:
                ends = (figure.value, figure.lower, figure.upper) if isinstance(figure, Estimate) else (float(figure),) * 3
                rows.append((metric, character, arm, *ends))
    return _csv(("metric", "character", "arm", "value", "lower", "upper"), sorted(rows, key=lambda row: row[0]))


def lengths_csv(rows: Iterable[Length]) -> str:
    """plots/evaluate/lengths.csv: arm, words (the bin's lower edge), share."""
    return _csv(("arm", "words", "share"), [(row.arm, row.words, row.share) for row in rows])


def breaks_csv(by: str, rows: Mapping[object, Mapping[str, Breaks]]) -> str:
    """plots/evaluate/redteam.csv and redteam_turns.csv: what `rows` are told apart `by`, arm, break_rate, the ends of its Wilson interval, its one-sided bound."""
    header = (by, "arm", "break_rate", "lower", "upper", "upper_bound")
    return _csv(header, [(name, arm, one.rate.value, one.rate.lower, one.rate.upper, one.bound) for name, arms in rows.items() for arm, one in arms.items()])


def talks_csv(rows: Mapping[int, Mapping[str, Estimate]]) -> str:
    """plots/evaluate/talks.csv: turn, arm, the share of conversations in character in that turn, the ends of its Wilson interval."""
    cells = [(turn, arm, rate.value, rate.lower, rate.upper) for turn, arms in rows.items() for arm, rate in arms.items()]
    return _csv(("turn", "arm", "rate", "lower", "upper"), cells)


def world_csv(figures: Scores) -> str:
    """plots/evaluate/world.csv: verdict, arm, rate, the ends of its Wilson interval; "correct by chance" is a mean over pairs and has no interval of its own."""
    rows = []
    for name in ("correct", "chance", "deflected", "invented", "broke"):
        for arm in ARMS:
            figure = figures.get(f"{arm}.world_{name}_rate")
            if isinstance(figure, Estimate):
                rows.append((name, arm, figure.value, figure.lower, figure.upper))
            elif figure is not None:
                rows.append(("correct by chance", arm, figure, figure, figure))
    return _csv(("verdict", "arm", "rate", "lower", "upper"), rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    """A number with six digits behind the point; a text on one line, and so that no spreadsheet takes it for a formula (https://owasp.org/www-community/attacks/CSV_Injection)."""
    if isinstance(value, str):
        text = " ".join(value.split())
        return f"'{text}" if text.startswith(FORMULAS) else text
    return f"{value:.6f}" if isinstance(value, float) else value
