"""Takes in what human raters sent back, and gives their pairs to Label Studio.

    python -m tools.ratings import FILES                     # ratings files of reports/ab.html, or Label Studio's JSON exports, into data/ratings
    python -m tools.ratings export --label-studio [FOLDER]   # tasks.json and labels.xml, blind as the page is; FOLDER is reports/label-studio

`import` checks each file against reports/ab-key.json and refuses it with one sentence where it breaks schemas/rating.schema.json, is of another run's page, was
imported before, or where the rater fell for the catch items. The others are imported all the same; the status is 1 where any was refused. Then evaluate runs
again (`dvc repro evaluate`) and generates nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from stages.common.errors import UserError, printable, run
from stages.common.files import read_json, read_text, write_json, write_text
from stages.common.schemas import fault
from stages.evaluate import ratings
from stages.evaluate.blind_page import CHOICES
from stages.evaluate.blind_pairs import Place
from stages.evaluate.rubric import ASPECTS, HIGHEST

KEY, PAGE, FOLDER, TASKS = Path("reports/ab-key.json"), Path("reports/ab.html"), Path("data/ratings"), Path("reports/label-studio")


def take(paths: Sequence[Path]) -> int:
    """Import each file, say what became of it, and return how many were refused."""
    key = _key()
    meaning = {item[side]["id"]: Place(item["kind"], item["prompt"], item["character"], item[side]["arm"]) for item in key["items"] for side in ("a", "b")}
    refused = 0
    for path in paths:
        try:
            found = raters(path)
        except UserError as error:
            print(printable(f"error: {error}"), file=sys.stderr)
            refused += 1
            continue
        for where, rating in found:
            try:
                place = accept(where, rating, key, meaning)
                print(printable(f"{where}: {len(rating['ratings'])} ratings by {rating['rater']}, imported as {place}"))
            except UserError as error:
                print(printable(f"error: {error}"), file=sys.stderr)
                refused += 1
    return refused


def accept(where: str, rating: Any, key: Mapping, meaning: Mapping[str, Place]) -> Path:
    """Put one rater's ratings into data/ratings. Raises UserError where they must not count, or were put there before."""
    if said := fault("rating", rating):
        raise UserError(f"{where}: {said}; expected a file that {PAGE} saved, or Label Studio's JSON export")
    check(where, rating, key, meaning)
    place = FOLDER / f"{key['page'][:8]}-{sha256(rating['rater'].strip().casefold().encode()).hexdigest()[:8]}.json"
    if place.exists():
        raise UserError(f"{where}: ratings of this page by {rating['rater']!r} were imported before, as {place}; delete that file to take these instead")
    write_json(place, rating)
    return place


def check(where: str, rating: Mapping, key: Mapping, meaning: Mapping[str, Place]) -> None:
    """Raise UserError, one sentence, where a rating is not one of the page that the key belongs to, or not an attentive one."""
    for name, told in (("answers", "another run's answers"), ("page", "another page about these answers")):
        if rating[name] != key[name]:
            raise UserError(f"{where}: is of {told} ({name} {rating[name][:12]}); {KEY} is of {key[name][:12]}, so it cannot be checked and was not imported")
    together = {frozenset((item["a"]["id"], item["b"]["id"])) for item in key["items"]}
    seen: set[frozenset[str]] = set()
    for number, one in enumerate(rating["ratings"], start=1):
        pair = frozenset((one["a"]["id"], one["b"]["id"]))
        if pair not in together:
            raise UserError(f"{where}: rating {number} is of answers that the page does not show together; expected the pairs of {PAGE}")
        if pair in seen:
            raise UserError(f"{where}: rating {number} is of the same pair as an earlier one; expected each pair once")
        seen.add(pair)
    if found := ratings.inattention(rating, meaning):
        raise UserError(f"{where}: refused, for {rating['rater']!r} fell for a catch item: {found}")


def raters(path: Path) -> list[tuple[str, Any]]:
    """Each rater's ratings in a file, with where they stand: one in a page's file, several in an export of Label Studio. Raises UserError where it cannot be read."""
    value = read_json(path)
    return _of_label_studio(path, value) if isinstance(value, list) else [(str(path), value)]


def _key() -> dict:
    if not KEY.exists():
        raise UserError(f"{KEY}: no such file; `dvc repro evaluate` writes it, `dvc pull {KEY}` brings it")
    return read_json(KEY)


def _of_label_studio(path: Path, tasks: list) -> list[tuple[str, dict]]:
    """The annotations of an export (its format JSON, not JSON-MIN) put together by whoever made them; those that were skipped are left out.

    https://labelstud.io/guide/task_format
    """
    found: dict[str, dict] = {}
    for number, task in enumerate(tasks, start=1):
        where = f"{path}: task {number}"
        try:
            data = task["data"]
            head = {"format": "dramatis-rating-1", "answers": data["answers"], "page": data["page"]}
            for annotation in task["annotations"]:
                if annotation.get("was_cancelled"):
                    continue
                by = annotation["completed_by"]
                rater = f"label-studio-{by['id'] if isinstance(by, dict) else by}"
                said = {one["from_name"]: one["value"] for one in annotation["result"]}
                rating = {side: {"id": data[f"{side}_id"], **{aspect: said[f"{side}-{aspect}"]["rating"] for aspect in ASPECTS}} for side in ("a", "b")}
                own = found.setdefault(rater, head | {"rater": rater, "ratings": []})
                if any(own[name] != head[name] for name in head):
                    raise UserError(f"{where}: is of another page than an earlier task; expected the tasks of one page")
                own["ratings"].append(rating | {"preferred": said["preferred"]["choices"][0]})
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise UserError(
                f"{where}: not an annotation of a task of ours ({type(error).__name__}: {error}); expected Label Studio's export in the format JSON, every score given"
            ) from None
    if not found:
        raise UserError(f"{path}: holds no annotation; expected Label Studio's export in the format JSON")
    return [(f"{path}: {rater}", rating) for rater, rating in found.items()]


def tasks(page: Mapping) -> list[dict]:
    """The page's items as tasks of Label Studio: blind, in the page's order."""
    return [
        {
            "data": {
                "answers": page["answers"],
                "page": page["page"],
                "said": f"Said to {item['name']}:",
                "prompt": item["prompt"],
                **{f"{side}_id": item[side]["id"] for side in ("a", "b")},
                **{f"{side}_text": item[side]["text"] for side in ("a", "b")},
            }
        }
        for item in page["items"]
    ]


def labels() -> str:
    """The labelling interface: the same questions as on the page. https://labelstud.io/tags"""
    answers = "".join(f'  <Header value="{side.upper()}"/>\n  <Text name="{side}" value="${side}_text"/>\n' for side in ("a", "b"))
    scores = "".join(
        f'  <Header size="5" value="{escape(label)}: {side.upper()}"/>\n'
        f'  <Rating name="{side}-{aspect}" toName="{side}" maxRating="{HIGHEST}" required="true"/>\n'
        for aspect, (label, _) in ASPECTS.items()
        for side in ("a", "b")
    )
    choices = "".join(f'    <Choice value="{escape(label)}" alias="{value}" hotkey="{key.lower()}"/>\n' for value, (label, key) in CHOICES.items())
    return (
        f'<View>\n  <Header value="$said"/>\n  <Text name="prompt" value="$prompt"/>\n{answers}{scores}'
        f'  <Choices name="preferred" toName="a" choice="single-radio" required="true">\n{choices}  </Choices>\n</View>\n'
    )


def give(folder: Path) -> None:
    """Write tasks and interface."""
    if not PAGE.exists():
        raise UserError(f"{PAGE}: no such file; `dvc repro evaluate` writes it, `dvc pull {PAGE}` brings it")
    held = re.search(r'<script type="application/json" id="page">(.*?)</script>', read_text(PAGE), re.DOTALL)
    if not held:
        raise UserError(f"{PAGE}: holds no pairs; expected the page that evaluate writes")
    found = tasks(json.loads(held[1]))
    write_json(folder / "tasks.json", found)
    write_text(folder / "labels.xml", labels())
    print(
        f"{folder}/tasks.json: {len(found)} tasks; {folder}/labels.xml: the labelling interface. Import the one, paste the other into Settings, Labeling Interface."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.ratings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    into = what.add_parser("import", help="check files and put them into data/ratings")
    into.add_argument("files", nargs="+", type=Path, metavar="FILE")
    out = what.add_parser("export", help="write the pairs for another tool")
    out.add_argument("--label-studio", nargs="?", const=TASKS, type=Path, metavar="FOLDER", required=True, help=f"default: {TASKS}")
    arguments = parser.parse_args()
    if arguments.what == "export":
        give(arguments.label_studio)
    elif take(arguments.files):
        sys.exit(1)


if __name__ == "__main__":
    run(main)
