"""What raters sent back, made into votes: whose answers they were, which count, and whether the rater looked at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.common.errors import UserError
from stages.common.files import read_json
from stages.common.schemas import fault
from stages.evaluate.blind_pairs import AGAIN, BAD, NOBODY, PAIR, Place
from stages.evaluate.rubric import ASPECTS


@dataclass(frozen=True)
class Vote:
    """What one rater says of two arms' answers to one prompt."""

    rater: str
    prompt: str
    character: str
    preferred: str  # an arm, "tie" or "both_bad"
    scores: Mapping[str, Mapping[str, int]]  # of each arm, by aspect

    @property
    def arms(self) -> frozenset[str]:
        """The two arms."""
        return frozenset(self.scores)


def read(folder: str | Path) -> list[tuple[Path, dict]]:
    """The files of ratings in a folder, by name; none where it holds none or is not there. Raises UserError where one is not what schemas/rating.schema.json says."""
    found = []
    for path in sorted(Path(folder).glob("*.json")):
        rating = read_json(path)
        if said := fault("rating", rating):
            raise UserError(f"{path}: {said}; expected what `python -m tools.ratings import` writes")
        found.append((path, rating))
    return found


def votes(rating: Mapping, meaning: Mapping[str, Place], where: str | Path) -> list[Vote]:
    """The votes of one file: its catch items are none. `meaning` gives what each id stands for.

    Raises UserError where a file holds two ids that were never shown together, or one pair twice.
    """
    found: dict[tuple[str, str], Vote] = {}
    for number, one in enumerate(rating["ratings"], start=1):
        a, b = _sides(one, meaning, f"{where}: rating {number}")
        if a.kind != PAIR:
            continue
        if (a.prompt, a.character) in found:
            raise UserError(f"{where}: rating {number} is of the same pair as an earlier one; expected each pair once")
        preferred = {"a": a.arm, "b": b.arm}.get(one["preferred"], one["preferred"])
        scores = {side.arm: {aspect: one[name][aspect] for aspect in ASPECTS} for name, side in (("a", a), ("b", b))}
        found[a.prompt, a.character] = Vote(rating["rater"], a.prompt, a.character, preferred, scores)
    return list(found.values())


def inattention(rating: Mapping, meaning: Mapping[str, Place]) -> str | None:
    """Why a rater did not look, or None: a bad answer was preferred or called more coherent, or more than half of the pairs that came back got the opposite vote.

    An honest rater may change his mind about a close pair; who always says A contradicts himself in every one.
    """
    sides = [(*_sides(one, meaning, "a rating"), one) for one in rating["ratings"]]
    first = {(a.prompt, a.character): _choice(a, b, one) for a, b, one in sides if a.kind == PAIR}
    opposite = seen = 0
    for a, b, one in sides:
        if a.kind == BAD:
            bad, real = ("a", "b") if a.arm == NOBODY else ("b", "a")
            if one["preferred"] == bad or one[bad]["coherence"] > one[real]["coherence"]:
                return f"an answer of words thrown together (to {a.prompt}) was preferred or called the more coherent one"
        elif a.kind == AGAIN and (before := first.get((a.prompt, a.character))) is not None:
            seen += 1
            opposite += {before, _choice(a, b, one)} == {a.arm, b.arm}
    if 2 * opposite > seen:
        return f"{opposite} of {seen} pairs that came back with their sides exchanged got the opposite vote"
    return None


def counted(found: Iterable[Vote], arms: Sequence[str]) -> list[Vote]:
    """The votes on these two arms, of one rater on one prompt the first alone, in order of prompt, character and rater."""
    kept: dict[tuple[str, str, str], Vote] = {}
    for vote in found:
        if vote.arms == set(arms):
            kept.setdefault((vote.prompt, vote.character, vote.rater), vote)
    return [kept[place] for place in sorted(kept)]


def _choice(a: Place, b: Place, one: Mapping) -> str:
    return {"a": a.arm, "b": b.arm}.get(one["preferred"], one["preferred"])


def _sides(one: Mapping, meaning: Mapping[str, Place], where: str) -> tuple[Place, Place]:
    unknown = [side for side in ("a", "b") if one[side]["id"] not in meaning]
    if unknown:
        raise UserError(f"{where}: the answer {one[unknown[0]]['id']} was on no page about these answers; expected ids of reports/ab.html")
    a, b = meaning[one["a"]["id"]], meaning[one["b"]["id"]]
    if (a.kind, a.prompt, a.character) != (b.kind, b.prompt, b.character) or a.arm == b.arm:
        raise UserError(f"{where}: the answers {one['a']['id']} and {one['b']['id']} were never shown together")
    return a, b
