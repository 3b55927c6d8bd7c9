"""No name that stands in data, a card, a parameter or an argument leads out of the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chats import gold_line
from tests.project import ROOT, Project, project  # noqa: F401

OUT = ["../../outside", "/etc/passwd", "..", "a/../../outside", "~/outside", "C:\\outside", "a\0b"]


def below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def around(project: Project) -> dict[str, bytes]:  # noqa: F811
    """All that lies beside the project, where nothing may be written."""
    return {path: content for path, content in below(project.folder.parent).items() if not path.startswith(f"{project.folder}/")}


@pytest.fixture
def secret(project: Project) -> Path:  # noqa: F811
    """A card and chats beside the project, which anything that leads there would find."""
    outside = project.folder.parent / "outside"
    (outside.with_suffix(".json")).write_bytes((ROOT / "data/characters/sherlock-holmes.json").read_bytes())
    outside.with_suffix(".jsonl").write_text(gold_line("What is the secret?", "Here it is.") + "\n")
    project.write("data/gold/sherlock-holmes.jsonl", gold_line("A?", "B.") + "\n")
    return outside


@pytest.mark.parametrize("name", OUT)
def test_characters_of_the_parameters_are_names_and_no_paths(name: str, secret: Path, project: Project) -> None:  # noqa: F811
    project.set("characters", [name])
    before = around(project)
    assert "characters" in project.refused("curate")
    assert around(project) == before


@pytest.mark.parametrize("name", [name for name in OUT if "\0" not in name])
def test_the_character_of_a_source_is_a_name_and_no_path(name: str, secret: Path, project: Project) -> None:  # noqa: F811
    project.set("curate.sources", [{"path": "data/gold", "kind": "gold", "license": "CC0-1.0", "character": name}])
    assert "curate.sources.0.character is " in project.refused("curate")


@pytest.mark.parametrize("path", ["../outside.jsonl", "data/gold/../../../outside.jsonl", "/etc/passwd", "data/raw/out.jsonl", "data/raw"])
def test_a_source_leads_out_of_its_folders_neither_by_its_path_nor_by_a_link(path: str, secret: Path, project: Project) -> None:  # noqa: F811
    (project.folder / "data/raw").mkdir()
    (project.folder / "data/raw/sherlock-holmes.jsonl").symlink_to(secret.with_suffix(".jsonl"))
    (project.folder / "data/raw/out.jsonl").symlink_to(secret.with_suffix(".jsonl"))
    project.set("curate.sources", [{"path": path, "kind": "gold", "license": "CC0-1.0", "character": "sherlock-holmes"}])
    said = project.refused("curate")
    assert "lies outside data/gold and data/raw" in said or "is a link out of data/gold and data/raw" in said


def test_a_chats_own_fields_lead_nowhere(project: Project, secret: Path) -> None:  # noqa: F811
    """What a line says of its character, id or file is data: it names no file that is read or written."""
    chats = [
        {**json.loads(gold_line(f"Question {number}?", "An answer.")), **more}
        for number, more in enumerate(
            [{"id": "../../outside"}, {"character": "../../outside"}, {"source": {"file": "../../outside"}}, {"topic": "../../outside"}]
        )
    ]
    project.write("data/gold/sherlock-holmes.jsonl", "".join(json.dumps(chat) + "\n" for chat in chats) + gold_line("A?", "B.") + "\n")
    before = around(project)
    done = project.run("curate")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert around(project) == before
    assert all(chat["character"] == "sherlock-holmes" and ".." not in chat["id"] for chat in project.records("data/curated/chats.jsonl"))
    assert all(chat["source"]["file"] == "data/gold/sherlock-holmes.jsonl" for chat in project.records("data/curated/chats.jsonl"))


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "data/../../outside", "Long John/../../Silver"])
def test_a_new_characters_files_lie_in_their_two_folders_whatever_the_name(name: str, project: Project) -> None:  # noqa: F811
    before = around(project)
    subprocess.run([sys.executable, "-m", "tools.new_character", name], cwd=project.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    assert around(project) == before
    new = [path.relative_to(project.folder) for path in (*project.folder.glob("data/characters/*"), *project.folder.glob("data/gold/*"))]
    assert {str(path.parent) for path in new} == {"data/characters", "data/gold"}
    assert all("." not in path.stem and path.stem == path.stem.lower() for path in new)


@pytest.mark.parametrize(
    ("tool", "argument"), [("recipe", "../../outside"), ("recipe", "/etc/passwd"), ("explain", "../../outside.jsonl:1"), ("explain", "/etc/passwd:1")]
)
def test_a_tools_argument_reads_nothing_outside(tool: str, argument: str, secret: Path) -> None:
    done = subprocess.run([sys.executable, "-m", f"tools.{tool}", argument], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0 and "Traceback" not in done.stderr and "root:" not in done.stdout + done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_ratings_are_kept_under_a_name_of_our_own(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/ab-key.json").write_text(json.dumps({"answers": "../../../out", "page": "../../xx", "items": []}))
    rating = {"format": "dramatis-rating-1", "answers": "../../../out", "page": "../../xx", "rater": "../../../me", "ratings": []}
    (tmp_path / "sent.json").write_text(json.dumps(rating))
    done = subprocess.run(
        [sys.executable, "-m", "tools.ratings", "import", "sent.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["ab-key.json", "sent.json"]
