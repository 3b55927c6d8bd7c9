"""Each sign on made curves, on both sides of each bound, and on the curve of the run on record."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from stages.common.params import load
from stages.train import warning_signs
from stages.train.warning_signs import NAMES, Sign, figures, of_curve, of_run, of_settings

ROOT = Path(__file__).resolve().parents[2]
SMALL, LARGE = 134_515_008, 8_030_261_248
PARAMS = load("train", ROOT)


def settings(parameters: int = LARGE, chats: int = 1000, processes: int = 1, **changed: object) -> list[Sign]:
    return of_settings({**PARAMS, "learning_rate": 2e-4, **changed}, chats, parameters, processes)


def names(signs: Sequence[Sign]) -> list[str]:
    return [sign.name for sign in signs]


@pytest.mark.parametrize(
    ("name", "parameter", "low", "below", "high", "above"),
    [
        ("learning_rate", "learning_rate", 1e-4, 9.9e-5, 3e-4, 3.1e-4),
        ("rank", "lora_r", 8, 7, 64, 65),
        ("dropout", "lora_dropout", 0.05, 0.049, 0.1, 0.101),
        ("batch", "gradient_accumulation_steps", 4, 3, 16, 17),
        ("chats", "chats", 500, 499, 10_000, 10_001),
    ],
)
def test_a_setting_is_warned_of_from_outside_its_range_on(name: str, parameter: str, low: float, below: float, high: float, above: float) -> None:
    assert [names(settings(**{parameter: value})) for value in (low, high)] == [[], []]
    assert [names(settings(**{parameter: value})) for value in (below, above)] == [[name], [name]]


def test_a_small_model_has_the_learning_rates_that_were_measured_with_one() -> None:
    assert [names(settings(SMALL, learning_rate=rate)) for rate in (2e-4, 2e-3)] == [[], []]
    assert [names(settings(SMALL, learning_rate=rate)) for rate in (1.9e-4, 2.1e-3)] == [["learning_rate"]] * 2
    assert [names(settings(parameters, learning_rate=1e-3)) for parameters in (999_999_999, 1_000_000_000)] == [[], ["learning_rate"]]


def test_alpha_is_warned_of_when_it_is_not_twice_the_rank() -> None:
    assert [names(settings(lora_alpha=alpha)) for alpha in (None, 32)] == [[], []]
    assert [names(settings(lora_alpha=alpha)) for alpha in (31, 16, 64)] == [["alpha"]] * 3


def test_the_effective_batch_is_of_all_processes() -> None:
    assert [names(settings(processes=processes)) for processes in (1, 4, 5)] == [[], [], ["batch"]]
    assert "processes 5) is 40; expected 8 to 32" in settings(processes=5)[0].sentence


def test_a_sentence_says_what_was_seen_what_was_expected_and_what_to_do() -> None:
    (sign,) = settings(SMALL, learning_rate=0.1)
    assert sign.sentence == (
        "learning_rate is 0.1; expected 0.0002 to 0.002, measured for models under 1B parameters: too high a rate diverges and forgets what the base knew; lower it"
    )


def curve(losses: Sequence[float], evals: dict[int, float] | None = None, steps: int | None = None, rate: float | Sequence[float] = 1e-4) -> list[dict]:
    """Progress lines: a loss each step, from 1, eval losses by step."""
    total, evals = steps or len(losses), evals or {}
    rates = [rate] * len(losses) if isinstance(rate, float) else rate
    lines: list[dict] = [{"step": 0, "steps": total}]
    for step, loss in enumerate([None, *losses]):
        if step:
            lines.append({"step": step, "steps": total, "loss": loss, "learning_rate": rates[step - 1]})
        if step in evals:
            lines.append({"step": step, "steps": total, "eval_loss": evals[step]})
    return lines


def signs(*told: object, ended: bool = False, parameters: int = LARGE, **named: object) -> list[str]:
    return names(of_curve(curve(*told, **named), ended, parameters))


def level(count: int, middle: float = 1.0) -> list[float]:
    """Losses that scatter by 0.1, and do nothing else."""
    return [middle + (0.1 if step % 2 else -0.1) for step in range(count)]


def column(name: str) -> dict[int, float]:
    with open(ROOT / f"plots/train/{name}.csv", encoding="utf-8") as file:
        return {int(row["step"]): float(row[name]) for row in csv.DictReader(file)}


def test_the_run_on_record_has_few_chats_and_a_small_models_loss_and_nothing_else() -> None:
    lines = curve(list(column("loss").values()), column("eval_loss"), rate=list(column("learning_rate").values()))
    found = of_run(PARAMS, 130, SMALL, 1, lines, ended=True)
    assert names(found) == ["chats", "final_loss"]
    assert "this one has 0.13B and ends higher" in found[1].sentence
    assert of_curve(lines, False, SMALL) == []


# --- spikes ---


@pytest.mark.parametrize(("loss", "seen"), [(2.74, False), (2.76, True)])
def test_a_loss_three_quarters_of_a_nat_above_the_usual_is_a_spike(loss: float, seen: bool) -> None:
    assert signs([2.0, 2.05, 1.95, 2.0, 2.0, loss]) == ["loss_spike"] * seen


def deviation(step: float) -> float:
    """The standard deviation of normal losses whose median step from one to the next is this."""
    return step / (0.6745 * math.sqrt(2))


@pytest.mark.parametrize(("off", "seen"), [(-0.01, False), (0.01, True)])
def test_among_losses_that_scatter_it_is_six_deviations_that_make_a_spike(off: float, seen: bool) -> None:
    assert signs([2.2, 1.8] * 10 + [2.0 + 6 * deviation(0.4) + off]) == ["loss_spike"] * seen


@pytest.mark.parametrize(("off", "seen"), [(-0.01, False), (0.01, True)])
def test_losses_that_fall_steeply_widen_the_bound_no_more_than_their_steps(off: float, seen: bool) -> None:
    falling = [6.0 - 0.2 * step for step in range(10)]  # a median of 5.1, and losses up to 0.9 from it
    assert signs([*falling, 5.1 + 6 * deviation(0.2) + off]) == ["loss_spike"] * seen


def test_before_six_steps_nobody_knows_what_is_usual() -> None:
    assert signs([2.0, 2.0, 2.0, 2.0, 9.0]) == []
    assert signs([2.0, 2.0, 2.0, 2.0, 2.0, 9.0]) == ["loss_spike"]


def test_a_training_that_falls_steeply_or_rises_slowly_has_no_spike() -> None:
    assert signs([9.0 - 0.5 * step for step in range(15)]) == []
    assert signs([2.0 + 0.04 * step for step in range(60)]) == []


def test_the_noise_of_batches_of_eight_chats_is_no_spike() -> None:
    """The recorded losses scatter by 0.2; those of one small batch, of like lengths, lie far below: they are no spike either."""
    scatter = [abs(loss - math.fsum(column("loss").values()) / 33) for loss in column("loss").values()]
    assert max(scatter) < 0.75
    draw = random.Random(6)
    assert [signs([draw.gauss(3.8, 0.2) for _ in range(4000)]) for _ in range(10)] == [[]] * 10


def test_a_spike_is_told_at_its_step_and_once() -> None:
    losses = [*level(20), 4.0, 1.0, 5.0]
    assert [signs(losses[:count]) for count in (20, 21, 23)] == [[], ["loss_spike"], ["loss_spike"]]
    assert (
        "the loss spikes at step 21: 4.00 after a median of 1.00 over 16 steps; expected at most 2.26: lower learning_rate"
        in of_curve(curve(losses), False, LARGE)[0].sentence
    )


# --- plateau ---


def stands_still(fall: float = 0.0, at: int = 20, steps: int = 40, **named: object) -> list[str]:
    return signs(level(at, 2.0), {0: 2.0, at: 2.0 - fall}, steps, **named)


@pytest.mark.parametrize(("fall", "seen"), [(0.0, True), (0.019, True), (0.021, False), (-0.019, True), (-0.021, False)])
def test_an_eval_loss_that_moves_by_less_than_a_hundredth_stands_still(fall: float, seen: bool) -> None:
    assert stands_still(fall) == ["early_plateau"] * seen


def test_it_is_no_plateau_when_the_training_loss_falls() -> None:
    falling = [loss - 0.02 * step for step, loss in enumerate(level(20, 2.0))]
    assert signs(falling, {0: 2.0, 20: 2.0}, 40) == []


@pytest.mark.parametrize(("at", "seen"), [(30, True), (31, False)])
def test_a_plateau_is_early_up_to_three_quarters_of_the_steps(at: int, seen: bool) -> None:
    assert stands_still(at=at) == ["early_plateau"] * seen


@pytest.mark.parametrize(("last", "seen"), [(5e-5, True), (4.9e-5, False)])
def test_a_learning_rate_below_half_its_highest_slows_any_training(last: float, seen: bool) -> None:
    assert stands_still(rate=[1e-4] * 19 + [last]) == ["early_plateau"] * seen


@pytest.mark.parametrize(("before", "seen"), [(12, True), (13, False)])
def test_it_has_to_stand_still_for_a_fifth_of_the_steps(before: int, seen: bool) -> None:
    assert signs(level(20, 2.0), {before: 2.0, 20: 2.0}, 40) == ["early_plateau"] * seen


@pytest.mark.parametrize(("count", "seen"), [(8, True), (7, False)])
def test_fewer_than_eight_losses_tell_nothing(count: int, seen: bool) -> None:
    assert stands_still(at=count, steps=20) == ["early_plateau"] * seen


# --- eval loss against training loss ---

FALLING = [3.0 - 0.05 * step for step in range(20)]  # to 2.05


@pytest.mark.parametrize(("last", "seen"), [(2.42, False), (2.43, True)])
def test_eval_loss_rises_when_it_is_a_hundredth_above_its_lowest(last: float, seen: bool) -> None:
    assert signs(FALLING, {0: 3.0, 10: 2.4, 20: last}) == ["eval_loss_rises"] * seen


def test_eval_loss_may_rise_from_the_start() -> None:
    assert signs(FALLING, {0: 2.5, 20: 2.55}) == ["eval_loss_rises"]


def test_eval_loss_that_rises_with_the_training_loss_is_no_overfitting() -> None:
    assert signs(level(20, 2.4), {0: 3.0, 10: 2.4, 20: 2.5}) == []


def test_eval_loss_is_held_to_its_lowest_not_to_the_one_before() -> None:
    evals = {0: 3.0, 8: 2.4, 12: 2.412, 16: 2.42, 20: 2.43}
    assert signs(FALLING[:16], {step: loss for step, loss in evals.items() if step <= 16}, 20) == []
    assert "from 2.400 at step 8 to 2.430 at step 20" in of_curve(curve(FALLING, evals), False, LARGE)[0].sentence


@pytest.mark.parametrize(("above", "seen"), [(0.40, False), (0.41, True)])
def test_eval_loss_is_far_above_at_one_and_a_half_times_the_perplexity(above: float, seen: bool) -> None:
    assert signs([1.0] * 20, {20: 1.0 + above}) == ["eval_loss_far_above"] * seen


def test_eval_loss_is_held_to_the_losses_since_the_evaluation_before() -> None:
    assert signs([2.0] * 10 + [1.0] * 10, {10: 2.0, 20: 1.42}) == ["eval_loss_far_above"]
    assert signs([2.0] * 10 + [1.0] * 10, {20: 1.42}) == []


def test_one_easy_batch_is_not_what_eval_loss_is_held_to() -> None:
    assert signs([2.0] * 19 + [1.0], {19: 2.0, 20: 2.0}) == []
    assert signs([1.0] * 7, {7: 2.0}) == []
    assert signs([1.0] * 8, {8: 2.0}) == ["eval_loss_far_above"]


# --- the end ---


@pytest.mark.parametrize(("loss", "seen"), [(0.49, True), (0.5, False), (1.5, False), (1.51, True)])
def test_the_training_loss_ends_in_the_guides_range_or_is_warned_of(loss: float, seen: bool) -> None:
    assert signs([1.0] * 18 + [loss] * 2, ended=True) == ["final_loss"] * seen
    assert signs([1.0] * 18 + [loss] * 2) == []


def test_only_of_a_small_model_it_is_said_that_the_range_is_for_others() -> None:
    said = [of_curve(curve([3.0] * 20), True, parameters)[0].sentence for parameters in (SMALL, LARGE)]
    assert ["that range is for models of 8B parameters" in sentence for sentence in said] == [True, False]


# --- all of them ---


def test_what_was_told_of_a_part_of_the_run_is_told_of_the_whole() -> None:
    """Else the log would warn of what the metrics deny."""
    lines = curve([*level(20, 2.0), 4.0, *[loss / 2 for loss in FALLING]], {0: 2.0, 20: 2.0, 41: 2.1}, 80)
    told: set[str] = set()
    for count in range(len(lines) + 1):
        now = set(names(of_curve(lines[:count], False, LARGE)))
        assert told <= now
        told = now
    assert told == {"loss_spike", "early_plateau", "eval_loss_rises", "eval_loss_far_above"}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_break_are_left_to_the_one_who_stops_for_them(bad: float) -> None:
    assert signs([2.0] * 20 + [bad], {0: 3.0, 20: 2.0, 21: bad}) == []


def test_the_metrics_have_a_flat_number_for_every_sign() -> None:
    found = figures([Sign("rank", "..."), Sign("loss_spike", "...")])
    assert found == {"warnings.total": 2} | {f"warnings.{name}": int(name in ("rank", "loss_spike")) for name in NAMES}


def test_every_sign_that_the_module_can_give_is_among_the_names() -> None:
    source = Path(warning_signs.__file__).read_text(encoding="utf-8")
    assert all(source.count(f'"{name}"') >= 2 for name in NAMES)
