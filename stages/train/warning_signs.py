"""Signs that a training goes wrong, from its settings and its progress lines: what was seen, what was expected, what the guide advises.

A sign of a curve is told from the lines so far, as soon as it can be; lines that come later take none back.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median, variance
from typing import Any, NamedTuple, Protocol

from stages.train.progress import last_loss

# The guide's ranges, for models of 8B parameters.
RANK = (8, 64)
DROPOUT = (0.05, 0.1)
BATCH = (8, 32)
CHATS = (500, 10_000)  # below: "minimal effect"; above: "diminishing returns"
LEARNING_RATE = (1e-4, 3e-4)
FINAL_LOSS = (0.5, 1.5)
SMALL = 1_000_000_000  # a model of fewer parameters learns at
SMALL_LEARNING_RATE = (2e-4, 2e-3)  # measured with one of 135M: README.md, The learning rate

# A spike lies above the median of the last SPIKE_LEVEL losses by more than SPIKE_MARGIN nats a token, twice the usual perplexity, and by more than
# SPIKE_DEVIATIONS of the standard deviation, taken from the median step from one loss to the next of the last SPIKE_WINDOW: neither a trend nor one
# odd loss moves it. Losses of 8 chats each scatter by 0.2 in the run on record, where none lies more than 0.17 above the median before it. Of
# 40,000 drawn so none is a spike (tests/train/test_warning_signs.py), of 40,000 that scatter by 0.3 one.
SPIKE_FROM, SPIKE_LEVEL, SPIKE_WINDOW, SPIKE_DEVIATIONS, SPIKE_MARGIN = 5, 16, 32, 6.0, 0.75

FEW = 8  # fewer losses than this tell neither a mean nor a trend
STILL = 0.01  # of a loss. In 12 steps the default's eval loss falls by 7 %, at a fifth of its rate by 2.6 % (README.md, The learning rate)
PLATEAU_STEPS, PLATEAU_EARLY = 0.2, 0.75  # of all steps: how long the losses stand still, and until when that is early
PLATEAU_RATE = 0.5  # of the highest learning rate so far; below it any training slows down
FAR_ABOVE = math.log(1.5)  # nats a token: one and a half times the perplexity. The run on record ends with 0.16


class Sign(NamedTuple):
    """`name` as in metrics/train.json, there `warnings.NAME`; `sentence` for people."""

    name: str
    sentence: str


class Signs(Protocol):
    """The signs of a run by its progress lines so far, and whether it has ended."""

    def __call__(self, lines: Sequence[Mapping], ended: bool) -> list[Sign]: ...


def of_run(params: Mapping[str, Any], chats: int, parameters: int, processes: int, lines: Sequence[Mapping], ended: bool) -> list[Sign]:
    """All signs: of the settings, and of the curve so far."""
    return of_settings(params, chats, parameters, processes) + of_curve(lines, ended, parameters)


def of_settings(params: Mapping[str, Any], chats: int, parameters: int, processes: int) -> list[Sign]:
    """Settings outside the guide's ranges: training chats, parameters of the base model, and processes that share a step."""
    rank, micro, accumulated = params["lora_r"], params["micro_batch_size"], params["gradient_accumulation_steps"]
    rates, whose = (SMALL_LEARNING_RATE, "measured for models under 1B parameters") if parameters < SMALL else (LEARNING_RATE, "the guide's range")
    batch = micro * accumulated * processes
    made = f"micro_batch_size {micro} x gradient_accumulation_steps {accumulated} x processes {processes}"
    ranged = (  # name, what, its value, its range and whose that is, what too little and too much mean
        ("learning_rate", "learning_rate", params["learning_rate"], rates, whose,
            "too low a rate learns nothing new; raise it", "too high a rate diverges and forgets what the base knew; lower it"),
        ("rank", "lora_r", rank, RANK, "the guide's range", "a low rank may underfit; raise it", "a high rank costs memory; lower it"),
        ("dropout", "lora_dropout", params["lora_dropout"], DROPOUT, "the guide's range", "it keeps from overfitting; raise it", "lower it"),
        ("batch", f"the effective batch ({made})", batch, BATCH, "the guide's range", "a small batch is noisy; raise it", "a large one learns slowly; lower it"),
        ("chats", "the number of training chats", chats, CHATS, "the guide's range", "fewer have minimal effect; it starts at 1000 to 3000: gather more data",
            "more bring diminishing returns; keep the best"),
    )  # fmt: skip
    signs = []
    for name, what, value, (low, high), source, below, above in ranged:
        if not low <= value <= high:
            signs.append(Sign(name, f"{what} is {value:g}; expected {low:g} to {high:g}, {source}: {below if value < low else above}"))
    if (alpha := params["lora_alpha"] or 2 * rank) != 2 * rank:
        signs.append(Sign("alpha", f"lora_alpha is {alpha:g}; expected {2 * rank}, twice lora_r, the guide's: set null, which means that"))
    return signs


def of_curve(lines: Sequence[Mapping], ended: bool, parameters: int) -> list[Sign]:
    """Signs in the progress lines of a run that goes on, or has ended, each at most once. `parameters` are the base model's."""
    curve = _Curve(lines)
    signs = [spike(curve), plateau(curve), eval_rises(curve), eval_far_above(curve)]
    if ended:
        signs.append(final_loss(curve, parameters))
    return [sign for sign in signs if sign]


def figures(signs: Iterable[Sign]) -> dict[str, int]:
    """For metrics/train.json: `warnings.NAME`, 1 or 0, of every sign there is, and `warnings.total`."""
    seen = {sign.name for sign in signs}
    return {"warnings.total": len(seen)} | {f"warnings.{name}": int(name in seen) for name in NAMES}


NAMES = (
    "learning_rate", "rank", "alpha", "dropout", "batch", "chats",
    "loss_spike", "early_plateau", "eval_loss_rises", "eval_loss_far_above", "final_loss",
)  # fmt: skip


class _Curve:
    """The losses of a run: of the steps, and of the evaluations, of which the first may stand at step 0."""

    def __init__(self, lines: Sequence[Mapping]):
        logged = [line for line in lines if math.isfinite(line.get("loss", math.nan))]  # of one that is no number checkpoints.py tells
        self.steps, self.losses = [line["step"] for line in logged], [line["loss"] for line in logged]
        self.rates = [line.get("learning_rate", 0.0) for line in logged]
        self.evaluations = [(line["step"], line["eval_loss"]) for line in lines if math.isfinite(line.get("eval_loss", math.nan))]
        self.all_steps = lines[-1]["steps"] if lines else 0

    def count(self, step: int) -> int:
        """How many losses were logged up to a step."""
        return bisect_right(self.steps, step)

    def between(self, after: int, to: int) -> list[float]:
        """The losses of the steps after one, up to another."""
        return self.losses[self.count(after) : self.count(to)]


def falls(losses: Sequence[float]) -> bool | None:
    """Whether losses fall beyond doubt: their later half is lower by more than twice its standard error, and by STILL. None of fewer than FEW."""
    if len(losses) < FEW:
        return None
    earlier, later = losses[: len(losses) // 2], losses[len(losses) // 2 :]
    error = math.sqrt(variance(earlier) / len(earlier) + variance(later) / len(later))
    return fmean(earlier) - fmean(later) > max(2 * error, STILL * fmean(earlier))


def spike(curve: _Curve) -> Sign | None:
    """A loss far above those of the steps before it."""
    for place in range(SPIKE_FROM, len(curve.losses)):
        window, loss = curve.losses[max(0, place - SPIKE_WINDOW) : place], curve.losses[place]
        level = window[-SPIKE_LEVEL:]
        if loss <= min(level) + SPIKE_MARGIN:
            continue  # as most are, told without sorting
        # The median distance of a normal variable is 0.6745 deviations; that of a difference of two is sqrt(2) as wide.
        deviation = median(abs(later - earlier) for earlier, later in pairwise(window)) / (0.6745 * math.sqrt(2))
        highest = median(level) + max(SPIKE_MARGIN, SPIKE_DEVIATIONS * deviation)
        if loss > highest:
            return Sign(
                "loss_spike",
                f"the loss spikes at step {curve.steps[place]}: {loss:.2f} after a median of {median(level):.2f} over {len(level)} steps; expected at most"
                f" {highest:.2f}: lower learning_rate, raise warmup_ratio, look for broken chats",
            )
    return None


def plateau(curve: _Curve) -> Sign | None:
    """Neither eval loss nor training loss moves any more, early, at a high learning rate."""
    for step, loss in curve.evaluations:
        logged = curve.count(step)
        if not logged or step > PLATEAU_EARLY * curve.all_steps or curve.rates[logged - 1] < PLATEAU_RATE * max(curve.rates[:logged]):
            continue
        far = [(at, eval_loss) for at, eval_loss in curve.evaluations if step - at >= PLATEAU_STEPS * curve.all_steps and logged - curve.count(at) >= FEW]
        if not far:
            continue
        at, before = far[-1]
        if abs(loss - before) < STILL * before and falls(curve.between(at, step)) is False:
            return Sign(
                "early_plateau",
                f"the losses stand still from step {at} to {step} of {curve.all_steps}: eval loss {before:.3f}, then {loss:.3f}; expected"
                f" a fall of more than {STILL:.0%} while the learning rate is high: raise learning_rate, or train on more data",
            )
    return None


def eval_rises(curve: _Curve) -> Sign | None:
    """Eval loss is above its lowest while the training loss falls, from before that lowest on."""
    for place, (step, loss) in enumerate(curve.evaluations[1:], start=1):
        lowest = min(range(place), key=lambda earlier: curve.evaluations[earlier][1])
        at, best = curve.evaluations[lowest]
        start = curve.evaluations[lowest - 1][0] if lowest else 0
        if loss > best * (1 + STILL) and falls(curve.between(start, step)):
            return Sign(
                "eval_loss_rises",
                f"eval loss rises from {best:.3f} at step {at} to {loss:.3f} at step {step} while the training loss falls; expected both to fall: it overfits;"
                " fewer num_epochs, more lora_dropout, more and more diverse data",
            )
    return None


def eval_far_above(curve: _Curve) -> Sign | None:
    """Eval loss far above the training loss since the evaluation before, or of the last FEW steps."""
    for place, (step, loss) in enumerate(curve.evaluations):
        upto = curve.between(0, step)
        if len(upto) < FEW:
            continue
        since = curve.between(curve.evaluations[place - 1][0], step) if place else upto
        usual = fmean(upto[-max(FEW, len(since)) :])
        if loss - usual > FAR_ABOVE:
            return Sign(
                "eval_loss_far_above",
                f"eval loss is {loss:.3f} at step {step}, the training loss {usual:.3f}; expected it close, at most {FAR_ABOVE:.2f} above: it overfits, or the"
                " validation chats are of another kind; fewer num_epochs, more lora_dropout, more and more diverse data",
            )
    return None


def final_loss(curve: _Curve, parameters: int) -> Sign | None:
    """The training loss ends outside the guide's range."""
    if not curve.losses or FINAL_LOSS[0] <= (loss := last_loss(curve.losses)) <= FINAL_LOSS[1]:
        return None
    size = f"; that range is for models of 8B parameters, this one has {parameters / 1e9:.2g}B and ends higher" if parameters < SMALL else ""
    advice = "it overfits; fewer num_epochs, more lora_dropout, more data" if loss < FINAL_LOSS[0] else "raise learning_rate, check the data"
    return Sign("final_loss", f"the training loss ends at {loss:.2f}; expected {FINAL_LOSS[0]} to {FINAL_LOSS[1]}, the guide's range: {advice}{size}")
