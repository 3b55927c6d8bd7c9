"""Which files are read, for whom, and what is wrong with a list that cannot be followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.curate.sources import Source, sources, used

CARDS = ("elizabeth-bennet", "sherlock-holmes")


@pytest.fixture
def raw(tmp_path, monkeypatch) -> Path:
    """A project with gold of both characters and a folder of exports."""
    monkeypatch.chdir(tmp_path)
    for name in ("gold/sherlock-holmes.jsonl", "gold/elizabeth-bennet.jsonl", "raw/logs/b.jsonl.gz", "raw/logs/deep/a.json", "raw/one.csv"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    for name in ("raw/one.csv.dvc", "raw/.gitignore", "raw/README.md", "raw/forget.txt", "raw/logs/.hidden/c.jsonl"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path / "data" / "raw"


def listed(*entries: dict, chosen: tuple[str, ...] = CARDS, use: list[str] | None = None) -> list[Source]:
    whole = [{"kind": "import", "license": "MIT", **entry} for entry in entries]
    return list(sources(whole, CARDS, chosen, used(whole, use)))


def test_a_folder_gives_its_files_in_order_of_names_each_named_after_its_character(raw):
    assert listed({"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"}) == [
        Source(Path("data/gold/elizabeth-bennet.jsonl"), "elizabeth-bennet", "gold", "CC-BY-4.0", "en"),
        Source(Path("data/gold/sherlock-holmes.jsonl"), "sherlock-holmes", "gold", "CC-BY-4.0", "en"),
    ]


def test_a_named_character_has_all_files_of_the_folder_but_notes_and_hidden_ones(raw):
    found = listed({"path": "data/raw", "character": "sherlock-holmes", "language": "de"})
    assert [str(source.path) for source in found] == ["data/raw/logs/b.jsonl.gz", "data/raw/logs/deep/a.json", "data/raw/one.csv"]
    assert {(source.character, source.language) for source in found} == {("sherlock-holmes", "de")}


def test_a_character_who_does_not_take_part_is_not_read(raw):
    assert [source.character for source in listed({"path": "data/gold"}, chosen=("sherlock-holmes",))] == ["sherlock-holmes"]


def test_kinds_that_are_not_in_use_are_not_read(raw):
    entries = [{"path": "data/gold", "kind": "gold"}, {"path": "data/raw", "kind": "book", "character": "sherlock-holmes"}]
    assert {source.kind for source in listed(*entries)} == {"gold", "book"}
    assert {source.kind for source in listed(*entries, use=["book", "gold"])} == {"gold", "book"}
    assert {source.kind for source in listed(*entries, use=["gold"])} == {"gold"}


def test_a_kind_without_a_source_is_one_sentence_for_it_would_be_the_run_without_it(raw):
    with pytest.raises(UserError, match=r"^params.yaml: curate.use names book, log, and no entry of curate.sources is of that kind; found gold$"):
        listed({"path": "data/gold", "kind": "gold"}, use=["gold", "book", "log"])


def test_what_is_no_file_leads_elsewhere_or_has_no_name_is_one_sentence(raw, tmp_path):
    os.mkfifo(raw / "pipe")
    with pytest.raises(UserError, match=r"data/raw/pipe: neither a file nor a folder"):
        listed({"path": "data/raw/pipe", "character": "sherlock-holmes"})
    (tmp_path / "elsewhere.jsonl").write_text("x")
    (raw / "link.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises(UserError, match=r"'data/raw/link.jsonl' is a link out of data/gold and data/raw"):
        listed({"path": "data/raw/link.jsonl", "character": "sherlock-holmes"})
    (raw / "odd").mkdir()
    (raw / "odd" / os.fsdecode(b"lat\xe9.jsonl")).write_text("x")
    with pytest.raises(UserError, match=r"data/raw/odd/lat.udce9.jsonl': a file name with characters that cannot be written"):
        listed({"path": "data/raw/odd", "character": "sherlock-holmes"})


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"path": "/etc"}], r"curate.sources\[0\]: /etc lies outside data/gold and data/raw"),
        ([{"path": "data/raw/../../x"}], r"curate.sources\[0\]: data/raw/../../x lies outside"),
        ([{"path": "data/prompts"}], r"data/prompts lies outside"),
        ([{"path": "data/raw/none.jsonl"}], r"curate.sources\[0\]: data/raw/none.jsonl: no such file or folder"),
        ([{"path": "data/raw/logs/.hidden"}], None),
        ([{"path": "data/gold"}, {"path": "data/gold/sherlock-holmes.jsonl"}], r"curate.sources\[1\]: data/gold/sherlock-holmes.jsonl is listed before"),
        ([{"path": "data/raw/one.csv"}], r"data/raw/one.csv: no character card for one; cards: elizabeth-bennet, sherlock-holmes; or name the character in"),
        ([{"path": "data/raw/one.csv", "character": "watson"}], r"data/raw/one.csv: no character card for watson"),
    ],
)
def test_a_list_that_cannot_be_followed_is_one_sentence(raw, entries, message):
    if message is None:
        (raw / "logs/.hidden/c.jsonl").unlink()
        message = r"data/raw/logs/.hidden: no file of chats in this folder"
    with pytest.raises(UserError, match=message):
        listed(*entries)
