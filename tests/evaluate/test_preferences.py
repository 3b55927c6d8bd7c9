"""What raters sent back: whose votes count, who was inattentive, and what the votes say."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.evaluate import blind_pairs, people, preferring, ratings
from stages.evaluate.people import Comparison
from stages.evaluate.preferences import verdict
from stages.evaluate.rubric import ASPECTS
from stages.evaluate.scores import Bootstrap
from tests.evaluate.rated import attentive, exchange, page_of, rating
from tests.pages import words_of

SETTINGS = Bootstrap(5, 2_000, 0.95)
CONTENT = b"answers.jsonl"
MANY = [exchange(number) for number in range(60)]
MEANING = blind_pairs.places(MANY, blind_pairs.salt_of(CONTENT))
KEY = page_of(MANY)[2]


def compared(*rated: Mapping, arms: tuple[str, str] = ("prompted", "tuned"), count: int = 60, seed: int = 5) -> Comparison:
    files = [(Path(f"data/ratings/{number}.json"), dict(one)) for number, one in enumerate(rated)]
    return people.compare(MANY, CONTENT, files, arms, count, Bootstrap(seed, 2_000, 0.95))


def by_prompt(chosen: Mapping[int, str]) -> dict:
    """A rater who prefers tuned, but for the prompts at these places: there an arm, "tie" or "both_bad"."""
    one = rating(KEY)
    for item, said in zip(KEY["items"], one["ratings"], strict=True):
        want = chosen.get(int(item["prompt"].rpartition("-")[2]), "tuned")
        if item["kind"] == "pair":
            said["preferred"] = {item["a"]["arm"]: "a", item["b"]["arm"]: "b"}.get(want, want)
    return one


def test_votes_are_unblinded_and_catch_items_are_none() -> None:
    votes = ratings.votes(by_prompt({0: "prompted", 1: "tie", 2: "both_bad"}), MEANING, "x.json")
    assert len(votes) == 60
    told = {vote.prompt: vote.preferred for vote in votes}
    assert [told[f"evaluation-{number:03}"] for number in range(4)] == ["prompted", "tie", "both_bad", "tuned"]
    assert votes[0].scores == {"prompted": dict.fromkeys(ASPECTS, 3), "tuned": dict.fromkeys(ASPECTS, 4)}


def test_the_figures_are_what_a_hand_counts() -> None:
    found = compared(by_prompt(dict.fromkeys(range(20), "prompted") | {20: "tie", 21: "both_bad"})).preferences.figures
    assert (found["human.votes"], found["human.prompts"], found["human.raters"]) == (60, 60, 1)
    assert [found[f"tuned_vs_prompted.human_{name}"] for name in ("wins", "ties", "losses")] == [38, 2, 20]
    rate = found["tuned_vs_prompted.human_win_rate"]
    assert rate.value == pytest.approx(39 / 60)
    assert (rate.lower, rate.upper) == pytest.approx((0.5236, 0.7583), abs=5e-5)  # Wilson's for 39 of 60
    assert found["tuned_vs_prompted.human_p"] == pytest.approx(0.02475, abs=5e-6)  # 2 P(at most 20 of 58)
    assert found["tuned_vs_prompted.human_votes_needed"] > 58
    assert found["tuned_vs_prompted.human_both_bad_rate"].value == pytest.approx(1 / 60)
    # Every score of tuned's is one more: of 2^60 flips two go as far, times five aspects.
    for aspect in ASPECTS:
        assert (found[f"prompted.human_{aspect}"].value, found[f"tuned.human_{aspect}"].value) == (3, 4)
        assert found[f"tuned_vs_prompted.human_{aspect}"].value == 1 == found[f"tuned_vs_prompted.human_{aspect}"].lower
        assert found[f"tuned_vs_prompted.human_{aspect}_p"] == pytest.approx(10 / 2**60)
    assert not [name for name in found if name.endswith("alpha")]


def test_several_raters_of_one_prompt_are_one_trial_and_its_majority_decides() -> None:
    three = [by_prompt({0: "prompted", 1: "prompted"}) | {"rater": "A"}, by_prompt({0: "prompted"}) | {"rater": "B"}, rating(KEY, "C")]
    found = compared(*three).preferences.figures
    assert (found["human.votes"], found["human.prompts"], found["human.raters"]) == (180, 60, 3)
    assert [found[f"tuned_vs_prompted.human_{name}"] for name in ("wins", "ties", "losses")] == [59, 0, 1]
    rate = found["tuned_vs_prompted.human_win_rate"]
    assert rate.value == pytest.approx(177 / 180) and rate.lower < 0.93  # no narrower than 60 trials allow
    two = compared(*three[:2]).preferences.figures
    assert [two[f"tuned_vs_prompted.human_{name}"] for name in ("wins", "ties", "losses")] == [58, 1, 1]


def test_raters_who_agree_have_an_alpha_of_one_and_raters_by_lot_one_near_zero() -> None:
    agreed = [by_prompt(dict.fromkeys(range(30), "prompted")) | {"rater": name} for name in "AB"]
    assert compared(*agreed).preferences.figures["human.preferred_alpha"].value == 1
    draw = random.Random(3)
    lot = [rating(KEY, name, lambda *_: draw.choice(("a", "b", "tie")), lambda _: draw.randint(1, 5)) for name in "ABC"]
    found = compared(*lot).preferences.figures
    for name in ("preferred", *ASPECTS):
        alpha = found[f"human.{name}_alpha"]
        assert alpha.lower < 0.1 and abs(alpha.value) < 0.2 and alpha.lower < alpha.value < alpha.upper


def test_votes_that_say_too_little_are_told_so_with_the_number_that_it_would_take() -> None:
    near = compared(by_prompt(dict.fromkeys(range(24), "prompted"))).preferences
    assert verdict(near, SETTINGS) == "open"
    told = words_of(preferring.preferring(near, SETTINGS))
    assert "Not enough votes to tell." in told and "80 % of studies with 210 decided prompts would show it" in told  # 36 to 24 is 60 %
    even = compared(by_prompt(dict.fromkeys(range(30), "prompted"))).preferences
    assert "tuned_vs_prompted.human_votes_needed" not in even.figures
    assert "Not enough votes to tell." in words_of(preferring.preferring(even, SETTINGS))


def test_votes_that_say_enough_are_told_so_in_words() -> None:
    better = compared(rating(KEY)).preferences
    told = words_of(preferring.preferring(better, SETTINGS))
    assert "People prefer tuned." in told and "(exact sign test, p < 0.0001)" in told
    assert preferring.people_say(better, SETTINGS) == "People, blind, prefer tuned (n\u00a0=\u00a060)."
    worse = compared(by_prompt(dict.fromkeys(range(60), "prompted"))).preferences
    assert verdict(worse, SETTINGS) == "worse" and "People prefer prompted." in words_of(preferring.preferring(worse, SETTINGS))
    assert preferring.people_say(worse, SETTINGS).startswith("People, blind, prefer prompted ")


def test_each_character_that_was_rated_has_the_figures_of_its_own_votes() -> None:
    two = [exchange(number, "john-silver" if number % 3 else "sherlock-holmes") for number in range(60)]
    key = page_of(two)[2]
    said = rating(key)
    found = people.compare(two, CONTENT, [(Path("data/ratings/a.json"), said)], ("prompted", "tuned"), 60, SETTINGS)
    counts = {name: own["human.prompts"] for name, own in found.by_character.items()}
    assert counts == {"john-silver": 40, "sherlock-holmes": 20}
    assert all(own["tuned_vs_prompted.human_win_rate"].value == 1 for own in found.by_character.values())
    assert compared().by_character == {}


def test_nine_votes_that_agree_are_too_few() -> None:
    few = rating(KEY)
    pairs = [said for item, said in zip(KEY["items"], few["ratings"], strict=True) if item["kind"] == "pair"]
    found = compared(few | {"ratings": pairs[:9]}).preferences
    assert found.figures["human.prompts"] == 9 and verdict(found, SETTINGS) == "open"
    assert preferring.people_say(found, SETTINGS) == "Not enough people’s votes to tell whom they prefer (n\u00a0=\u00a09)."


def test_without_a_rating_there_is_no_figure_and_the_page_says_how_to_get_one() -> None:
    none = compared().preferences
    assert none.figures == {} and preferring.people_say(none, SETTINGS) == ""
    assert "Not measured" in preferring.preferring(none, SETTINGS) and "tools.ratings import" in preferring.preferring(none, SETTINGS)


def test_ratings_of_another_runs_answers_are_not_counted_and_the_page_says_so() -> None:
    other = rating(page_of(MANY, b"other answers")[2])
    assert compared(other).preferences.figures == {}
    both = compared(other, rating(KEY, "B"))
    assert both.preferences.figures == compared(rating(KEY, "B")).preferences.figures
    assert "1 file in data/ratings is of another run’s answers, and not counted." in words_of(preferring.preferring(both.preferences, SETTINGS))


def test_ratings_of_another_page_about_the_same_answers_count_each_rater_once_for_each_prompt() -> None:
    another = page_of(MANY, seed=6, count=30)[2]
    found = compared(rating(KEY), rating(another, says=lambda *_: "tie"), rating(another, "B")).preferences.figures
    assert (found["human.votes"], found["human.prompts"], found["human.raters"]) == (90, 60, 2)
    assert found["tuned_vs_prompted.human_wins"] == 60


def test_ratings_of_other_arms_are_not_counted_and_the_page_says_so() -> None:
    found = compared(rating(KEY), arms=("base", "tuned")).preferences
    assert found.figures == {} and found.other_arms == 1
    assert "1 file of other arms than evaluate.ab.arms, and not counted" in words_of(preferring.preferring(found, SETTINGS))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda one: one["ratings"][0]["a"].update(id="f" * 20), "rating 1: the answer ffffffffffffffffffff was on no page about these answers"),
        (lambda one: one["ratings"][0].update(a=one["ratings"][1]["a"]), "were never shown together"),
        (lambda one: one["ratings"].extend(one["ratings"]), "is of the same pair as an earlier one"),
    ],
)
def test_a_rating_that_no_page_can_have_given_is_one_sentence(change, sentence: str) -> None:
    one = rating(KEY)
    change(one)
    with pytest.raises(UserError, match=f"^data/ratings/0.json: .*{sentence}"):
        compared(one)


def test_an_attentive_rater_passes_and_so_does_one_who_calls_all_bad() -> None:
    assert ratings.inattention(rating(KEY), MEANING) is None
    assert ratings.inattention(rating(KEY, says=lambda *_: "both_bad", scores=lambda _: 1), MEANING) is None


def test_who_always_says_a_contradicts_himself() -> None:
    def always_a(kind: str, a: str, b: str) -> str:
        return "a" if kind != "bad" else attentive(kind, a, b)

    assert "6 of 6 pairs that came back with their sides exchanged got the opposite vote" in ratings.inattention(rating(KEY, says=always_a), MEANING)


def test_who_changes_his_mind_about_one_pair_is_believed() -> None:
    one = rating(KEY)
    places = [place for place, item in enumerate(KEY["items"]) if item["kind"] == "again"]
    one["ratings"][places[0]]["preferred"] = {"a": "b", "b": "a"}[one["ratings"][places[0]]["preferred"]]
    assert ratings.inattention(one, MEANING) is None


def test_who_prefers_words_thrown_together_or_calls_them_more_coherent_did_not_look() -> None:
    def worst(kind: str, a: str, b: str) -> str:
        return {"a": "b", "b": "a"}[attentive(kind, a, b)] if kind == "bad" else attentive(kind, a, b)

    assert "was preferred" in ratings.inattention(rating(KEY, says=worst), MEANING)
    assert "more coherent" in ratings.inattention(rating(KEY, says=lambda *_: "tie", scores=lambda arm: 5 if arm == "nobody" else 2), MEANING)


def test_a_file_in_the_folder_that_is_no_rating_is_one_sentence_and_a_readme_is_none(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("What raters sent back")
    assert ratings.read(tmp_path) == ratings.read(tmp_path / "nowhere") == []
    (tmp_path / "one.json").write_text('{"format": "dramatis-rating-1"}')
    with pytest.raises(UserError, match="one.json: 'answers' is a required property; expected what `python -m tools.ratings import` writes"):
        ratings.read(tmp_path)
