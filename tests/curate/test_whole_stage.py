"""Whatever the bytes of a file, the stage ends, and every chat that came in is kept or rejected."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.common import children
from stages.common.errors import UserError
from stages.common.schemas import fault
from stages.curate import __main__ as stage
from stages.curate.sources import Source
from tests.chats import gold_line
from tests.curate.test_formats import FIELDS
from tests.curate.test_records import JSON
from tests.project import Project

GOOD = gold_line("Who was it?", "The verger.")
KINDS = st.sampled_from(["gold", "log", "import", "book"])
VALUES = st.one_of(JSON, st.dictionaries(st.sampled_from([*FIELDS, "mes", "user_name", "consent", "license"]), JSON))
PACKED = st.sampled_from([bytes, gzip.compress, zstandard.ZstdCompressor().compress, lambda text: text.decode(errors="replace").encode("utf-16")])
TEXTS = st.one_of(
    st.binary(max_size=300),
    st.lists(VALUES, max_size=5).map(lambda values: "\n".join(map(json.dumps, values)).encode()),
    st.lists(VALUES, max_size=5).map(lambda values: json.dumps(values).encode()),
    st.lists(st.lists(st.text(max_size=20), max_size=4), max_size=4).map(lambda rows: "\n".join(",".join(row) for row in rows).encode(errors="replace")),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A project whose gold is one good chat and whose data/raw is the test's."""
    project = Project(tmp_path_factory.mktemp("whole") / "project")
    project.write("data/gold/sherlock-holmes.jsonl", GOOD)
    project.write("data/raw/any", "")
    return project.folder


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXTS, pack=PACKED, kind=KINDS, good=st.booleans())
def test_lines_in_are_lines_kept_and_lines_rejected(folder, text, pack, kind, good):
    (folder / "data/raw/any").write_bytes(pack(text + (b"\n" + GOOD.encode() if good else b"")))
    project = object.__new__(Project)
    project.folder = folder
    project.set(
        "curate.sources",
        [
            {"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"},
            {"path": "data/raw/any", "kind": kind, "license": "MIT", "character": "sherlock-holmes"},
        ],
    )
    before = os.getcwd()
    os.chdir(folder)
    patch = pytest.MonkeyPatch()
    patch.setattr(children, "end_with_caller", lambda: None)
    try:
        stage.main()
    finally:
        patch.undo()
        os.chdir(before)
    kept, rejected, figures = project.records("data/curated/chats.jsonl"), project.records("data/curated/rejects.jsonl"), project.metrics("curate")
    assert figures["lines"] == figures["kept"] + figures["rejected"] == len(kept) + len(rejected)
    assert figures["kept"] == len(kept) >= 1
    assert [problem for chat in kept if (problem := fault("chat", chat))] == []
    assert [problem for reject in rejected if (problem := fault("reject", reject))] == []


def test_a_file_that_vanishes_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="gone.jsonl: cannot be read: No such file or directory"):
        list(stage.chats_of(Source(tmp_path / "gone.jsonl", "sherlock-holmes", "import", "MIT", "en")))
