"""tools/pictures: the pipeline's picture against dvc.yaml, read here in another way, and the losses' against a CSV of a few lines."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree
from copy import deepcopy
from pathlib import Path

import pytest

from stages.common.errors import UserError
from stages.common.params import read_yaml
from tools.pictures import loss, pipeline, svg
from tools.pictures.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"
DVC = read_yaml(ROOT / "dvc.yaml")
LOSS = "step,loss\n1,4.2\n2,3.9\n10,3.5\n"
EVAL_LOSS = "step,eval_loss\n0,4.25\n10,3.75\n"


def arrows(svg: str) -> dict[tuple[str, str], list[list[str]]]:
    """For each pair of names that arrows join, the files that each of the arrows names."""
    found: dict[tuple[str, str], list[list[str]]] = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        if group.get("class") == "arrow":
            files = group.find(f"{SVG}title").text.split(": ", 1)[1].split(", ")
            found.setdefault((group.get("data-from"), group.get("data-to")), []).append(files)
    return found


def stage_outs(name: str) -> list[str]:
    return [out if isinstance(out, str) else next(iter(out)) for out in DVC["stages"][name].get("outs", [])]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with this dvc.yaml and the losses of three steps."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plots" / "train").mkdir(parents=True)
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / loss.TRAINING).write_text(LOSS)
    (tmp_path / loss.VALIDATION).write_text(EVAL_LOSS)
    return tmp_path


def test_the_committed_pipeline_picture_is_what_dvc_yaml_gives_now():
    committed = (ROOT / "docs" / "pipeline.svg").read_bytes()
    assert committed == pipeline.draw(DVC).encode(), "draw it again: python -m tools.pictures"


def test_every_stage_of_dvc_yaml_has_words_and_is_drawn_once():
    drawn = [group.get("data-stage") for group in ElementTree.fromstring(pipeline.draw(DVC)).iter(f"{SVG}g") if group.get("data-stage")]
    assert set(pipeline.STAGES) == set(DVC["stages"])
    assert sorted(drawn) == sorted(DVC["stages"])


def test_every_drawn_arrow_is_a_real_dependency():
    for (start, end), drawn in arrows(pipeline.draw(DVC)).items():
        stage = DVC["stages"][end]
        for read in itertools.chain(*drawn):
            assert read in stage["deps"] or read in stage["params"], f"{end} does not read {read}"
            if start in DVC["stages"]:
                assert any(read == out or read.startswith(f"{out}/") for out in stage_outs(start)), f"{start} does not write {read}"


def test_every_dependency_between_stages_is_an_arrow_or_a_path_of_arrows():
    drawn = {pair for pair in arrows(pipeline.draw(DVC)) if pair[0] in DVC["stages"]}
    reached = set(drawn)
    for _ in DVC["stages"]:
        reached |= {(a, d) for a, b in reached for c, d in drawn if b == c}
    real = {(a, b) for a in DVC["stages"] for b in DVC["stages"] for out in stage_outs(a) if out in DVC["stages"][b]["deps"]}
    assert ("split", "merge") in real - drawn
    assert real <= reached


def test_only_the_arrows_kept_on_purpose_are_implied_by_a_longer_path():
    drawn = {pair for pair in arrows(pipeline.draw(DVC)) if pair[0] in DVC["stages"]}
    expected = (
        "base-filter base-train base-merge curate-synthesize synthesize-filter filter-split split-train split-evaluate train-answer train-merge answer-evaluate"
    )
    assert drawn == {tuple(pair.split("-")) for pair in expected.split()}


def test_what_people_bring_points_to_its_first_readers():
    drawn = {(start, end): files for (start, end), files in arrows(pipeline.draw(DVC)).items() if start not in DVC["stages"]}
    assert drawn == {
        ("data/characters", "curate"): [["data/characters"]],
        ("data/gold", "curate"): [["data/gold"]],
        ("data/raw", "curate"): [["data/raw"]],
        ("data/prompts", "synthesize"): [["data/prompts/scenarios.yaml", "data/prompts/visitors.yaml"]],
        ("teacher", "synthesize"): [["synthesize.teacher"]],
        ("data/words", "filter"): [["data/words/anachronisms.yaml", "data/words/slop.yaml"]],
        ("data/replay", "split"): [["data/replay"]],
        ("base model", "base"): [["base_model"]],
        ("data/prompts", "answer"): [[f"data/prompts/{name}.jsonl" for name in ("evaluation", "plain", "redteam", "situations", "world")]],
        ("data/ratings", "evaluate"): [["data/ratings"]],
    }


def test_a_file_inside_an_out_folder_is_a_dependency_on_its_stage():
    stages = {"a": {"outs": ["models/a"]}, "b": {"deps": ["models/a/config.json", "models/ab"]}, "c": {"deps": ["models/ab"]}}
    assert pipeline.flows(stages) == {("a", "b"): ["models/a/config.json"]}


def test_an_arrow_that_a_longer_path_implies_is_left_out():
    assert pipeline.without_implied([("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("a", "c"), ("e", "d")]) == [
        ("a", "b"),
        ("b", "c"),
        ("c", "d"),
        ("e", "d"),
    ]


def test_each_stage_stands_below_all_that_it_reads():
    row = pipeline.rows(DVC["stages"])
    for giver, taker in pipeline.flows(DVC["stages"]):
        assert row[giver] < row[taker]
    assert row["base"] == row["filter"] - 1


def test_no_two_shapes_overlap_and_all_lie_on_the_panel():
    shapes = list(pipeline.places(DVC["stages"]).values())
    assert all(0 < shape.left and shape.right < svg.WIDTH and shape.top > 0 for shape in shapes)
    for a, b in itertools.combinations(shapes, 2):
        assert a.right < b.left or b.right < a.left or a.bottom < b.top or b.bottom < a.top


def test_the_words_of_a_stage_fit_into_its_box_in_a_wide_font():
    # 6.4 and 6.9 pixels a letter: DejaVu Sans at 12.5 pixels and a monospaced font at 11.5; 10.5: DejaVu Sans Bold at 15.
    for name, stage in DVC["stages"].items():
        width = pipeline.STAGES[name].column[1]
        assert len(pipeline.STAGES[name].words) * 6.4 <= width - 17 - 6, name
        assert len(name) * 10.5 + len(pipeline._folder(stage)) * 6.9 <= width - 17 - 12, name


def test_a_stage_without_words_is_named_in_one_sentence():
    dvc = deepcopy(DVC)
    dvc["stages"]["distil"] = {"cmd": "true"}
    with pytest.raises(UserError, match=r"^dvc.yaml and STAGES in tools/pictures/pipeline.py differ in distil: give each stage its words there$"):
        pipeline.draw(dvc)


def test_data_that_no_stage_writes_and_no_input_names_is_named_in_one_sentence():
    dvc = deepcopy(DVC)
    dvc["stages"]["curate"]["deps"].append("data/letters")
    with pytest.raises(UserError, match=r"INPUTS in tools/pictures/pipeline.py differ in data/letters: "):
        pipeline.draw(dvc)


def test_an_input_that_no_stage_reads_any_more_is_named_in_one_sentence():
    dvc = deepcopy(DVC)
    dvc["stages"]["curate"]["deps"].remove("data/raw")
    with pytest.raises(UserError, match=r"INPUTS in tools/pictures/pipeline.py differ in data/raw: "):
        pipeline.draw(dvc)


def test_hostile_text_is_escaped():
    dvc, hostile = deepcopy(DVC), """data/"><script>alert('&')</script>"""
    dvc["stages"]["curate"]["outs"] = [f"{hostile}/chats.jsonl"]
    dvc["stages"]["curate"]["desc"] = hostile
    for name in ("synthesize", "filter"):
        dvc["stages"][name]["deps"] = [f"{hostile}/chats.jsonl" if dep == "data/curated/chats.jsonl" else dep for dep in dvc["stages"][name]["deps"]]
    svg = pipeline.draw(dvc)
    assert "<script" not in svg
    root = ElementTree.fromstring(svg)
    assert arrows(svg)["curate", "synthesize"] == [[f"{hostile}/chats.jsonl"]]
    assert hostile in [title.text for title in root.iter(f"{SVG}title")]
    assert f"{hostile}/" in [text.text for text in root.iter(f"{SVG}text")]


def test_both_pictures_are_written_the_same_each_time_and_parse_with_title_and_description(project):
    main()
    first = {path.name: path.read_bytes() for path in (project / "docs").iterdir()}
    main()
    assert {path.name: path.read_bytes() for path in (project / "docs").iterdir()} == first
    assert sorted(first) == ["loss.svg", "pipeline.svg"]
    for drawn in first.values():
        root = ElementTree.fromstring(drawn)
        assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
        assert root.get("aria-labelledby") == "title about"
        assert b"prefers-color-scheme: dark" in drawn
        assert re.findall(rb"(?:href|src|url)\W+\w*:", drawn) == []


def test_both_pictures_have_the_reports_colours_light_and_dark():
    light, dark = svg._colours()
    assert (light["paper"], light["prompted"], light["tuned"]) == ("#fbfaf6", "#a84700", "#005f9e")
    assert (dark["paper"], dark["prompted"], dark["tuned"]) == ("#17181b", "#f2a65a", "#74bdf2")


def test_the_loss_lines_begin_and_end_where_their_steps_and_losses_lie(project):
    main()
    root = ElementTree.fromstring((project / "docs" / "loss.svg").read_text())
    drawn = {}
    for group in root.iter(f"{SVG}g"):
        points = [tuple(map(float, point.split(","))) for point in group.find(f"{SVG}polyline").get("points").split()]
        drawn[group.get("class")] = (points, [text.text for text in group.iter(f"{SVG}text")])
    # Steps 0 to 10 lie on 64 to 624 pixels, losses 3.4 to 4.4 (the outer ticks) on 336 to 88.
    assert drawn["series training"] == ([(120.0, 137.6), (176.0, 212.0), (624.0, 311.2)], ["training", "3.50"])
    assert drawn["series validation"] == ([(64.0, 125.2), (624.0, 249.2)], ["validation", "3.75"])
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts[1] == "Validation loss: 4.25 before training, 3.75 at step 10; nats a token, lower is better."
    assert {"3.4", "4.4", "0", "10", "training step", "nats a token"} <= set(texts)


@pytest.mark.parametrize(
    ("low", "high", "least", "expected"),
    [
        (3.5, 4.25, 0, [3.4, 3.6, 3.8, 4.0, 4.2, 4.4]),
        (0, 120, 1, [0, 25, 50, 75, 100, 125]),
        (0, 1, 1, [0, 1]),
        (2.0, 2.0, 0, [2.0, 2.0005]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low, high, least, expected):
    assert loss.ticks(low, high, least) == expected


def test_labels_of_lines_that_end_together_are_moved_apart():
    assert loss._apart([100, 102], 36) == [83, 119]
    assert loss._apart([200, 100], 36) == [200, 100]


def test_a_training_of_one_step_is_drawn():
    ElementTree.fromstring(loss.draw([(1, 4.0)], [(0, 4.0)]))


def test_without_a_training_the_pipeline_is_still_drawn_and_one_sentence_says_what_to_run(project):
    (project / loss.VALIDATION).unlink()
    with pytest.raises(UserError, match=r"^plots/train/eval_loss.csv: no such file; run `dvc repro` first, whose train stage writes it$"):
        main()
    assert [path.name for path in (project / "docs").iterdir()] == ["pipeline.svg"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("step,loss\n1,4.2\n2,nan\n", r"loss.csv:3: expected a step and a number, found 2,nan$"),
        ("step,loss\n1\n", r"loss.csv:2: expected a step and a number, found 1,None$"),
        ("step,eval_loss\n1,4.2\n", r"loss.csv:1: the columns are step, eval_loss; expected step, loss$"),
        ("step,loss\n", r"loss.csv: holds no step; run `dvc repro` first, whose train stage writes it$"),
        ("", r"loss.csv:1: the columns are none; expected step, loss$"),
    ],
)
def test_a_file_of_losses_that_cannot_be_drawn_is_named_with_its_line(project, text, sentence):
    (project / loss.TRAINING).write_text(text)
    with pytest.raises(UserError, match=sentence):
        main()
