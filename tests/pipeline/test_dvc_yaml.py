"""dvc.yaml says exactly what each stage needs, and the code keeps to the house's rules of who may import whom."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from stages.common.params import read_yaml
from tests.pipeline.closure import closure
from tests.project import ROOT

PIPELINE = read_yaml(ROOT / "dvc.yaml")
STAGES: dict[str, dict] = PIPELINE["stages"]
PARAMETERS = read_yaml(ROOT / "params.yaml")
SCHEMA = json.loads((ROOT / "schemas/params.schema.json").read_text(encoding="utf-8"))
OPEN = ("axolotl", "evaluate.judge.request", "synthesize.prices", "synthesize.request")
HEAVY = {"torch", "transformers", "peft", "axolotl", "accelerate", "vllm", "safetensors"}


def leaves(values: dict, under: str = "") -> set[str]:
    """Dotted names of all parameters; those that hold others' names are one each, whatever they hold."""
    names = set()
    for key, value in values.items():
        name = f"{under}{key}"
        names |= leaves(value, f"{name}.") if isinstance(value, dict) and name not in OPEN else {name}
    return names


def entries(kind: str) -> list[tuple[str, str, dict]]:
    """(stage, path, settings) of everything listed under outs, metrics or plots."""
    return [(stage, *(next(iter(entry.items())) if isinstance(entry, dict) else (entry, {}))) for stage, told in STAGES.items() for entry in told.get(kind, [])]


WRITTEN = [path for kind in ("outs", "metrics", "plots") for _, path, _ in entries(kind)]


def imports(file: Path) -> set[str]:
    """All modules that a file imports, inside functions too, in full."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_deps_of_a_stage_are_what_it_imports_no_more_and_no_less(stage: str) -> None:
    listed = [dep for dep in STAGES[stage]["deps"] if dep.startswith("stages/")]
    assert set(listed) == closure(stage)
    assert len(listed) == len(set(listed))


def test_every_stage_is_a_package_of_its_name_with_a_description() -> None:
    for name, told in STAGES.items():
        assert told["cmd"] == f"python -m stages.{name}"
        assert (ROOT / "stages" / name / "__main__.py").is_file()
        assert len(told["desc"].split()) >= 4, name
    packages = {path.parent.name for path in ROOT.glob("stages/*/__main__.py")}
    assert packages == set(STAGES)


def test_metrics_and_plots_are_gits_and_everything_else_is_dvcs() -> None:
    assert [path for kind in ("metrics", "plots") for _, path, settings in entries(kind) if settings.get("cache") is not False] == []
    # What was paid for stays where it is while its stage runs again; everything else is made anew.
    assert {path: settings for _, path, settings in entries("outs") if settings} == dict.fromkeys(
        ("data/synthetic/answers.jsonl", "data/judged/answers.jsonl"), {"persist": True}
    )
    # Evaluate judges its own figures too.
    assert {path for _, path, _ in entries("metrics")} == {f"metrics/{stage}.json" for stage in STAGES} | {"metrics/gate.json"}


def test_every_dep_is_written_by_an_earlier_stage_or_lies_in_the_repository() -> None:
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    written: set[str] = set()
    for name, told in STAGES.items():
        for dep in told["deps"]:
            assert dep in written or str(Path(dep).parent) in written or any(path == dep or path.startswith(f"{dep}/") for path in tracked), f"{name}: {dep}"
            assert dep not in ("data", "stages", "schemas", "stages/common", "stages/weights", "data/splits"), f"{name}: {dep} holds more than is needed"
        written |= {path for kind in ("outs", "metrics", "plots") for stage, path, _ in entries(kind) if stage == name}


def test_no_two_stages_write_to_one_place_or_into_one_anothers_folder() -> None:
    assert [path for path, count in Counter(WRITTEN).items() if count > 1] == []
    owners: dict[str, set[str]] = {}
    for kind in ("outs", "plots"):
        for stage, path, _ in entries(kind):
            owners.setdefault(str(Path(path).parent) if path.startswith(("data/", "plots/")) else path, set()).add(stage)
    assert {folder: stages for folder, stages in owners.items() if len(stages) > 1} == {}


def test_every_plot_template_is_there_and_is_a_dep_of_its_stage() -> None:
    templates = [(stage, settings["template"]) for stage, _, settings in entries("plots") if "template" in settings]
    for stage, template in templates:
        json.loads((ROOT / template).read_text(encoding="utf-8"))
        assert any(template == dep or template.startswith(f"{dep}/") for dep in STAGES[stage]["deps"])


def test_the_plots_of_the_whole_pipeline_are_written_by_a_stage() -> None:
    shown = {path for plot in PIPELINE["plots"] for told in plot.values() for path in told["y"]}
    assert shown and shown <= set(WRITTEN)


def test_every_parameter_that_a_stage_lists_is_there() -> None:
    there = leaves(PARAMETERS)
    assert [(stage, name) for stage, told in STAGES.items() for name in told.get("params", []) if name not in there] == []


def test_every_parameter_that_is_there_is_listed_by_some_stage() -> None:
    assert leaves(PARAMETERS) - {name for told in STAGES.values() for name in told.get("params", [])} == set()


def test_no_stage_lists_a_parameter_that_its_code_never_names() -> None:
    """A parameter that is listed and not read re-runs the stage for nothing. f"filter.{name}" names the whole group."""
    idle = []
    for stage, told in STAGES.items():
        code = "".join(file.read_text(encoding="utf-8") for file in modules(f"stages/{stage}"))
        for name in told.get("params", []):
            group, _, last = name.rpartition(".")
            if not (re.search(rf"""["']{re.escape(name)}["']""", code) or (group and f'"{group}.{{' in code and re.search(rf"\b{last}\b", code))):
                idle.append(f"{stage}: {name}")
    assert idle == []


def test_parameters_and_schema_have_the_same_names_and_every_one_is_required() -> None:
    def declared(schema: dict, under: str = "") -> set[str]:
        names = set()
        for key, inner in schema["properties"].items():
            names |= declared(inner, f"{under}{key}.") if "properties" in inner and f"{under}{key}" not in OPEN else {f"{under}{key}"}
        assert set(schema["required"]) == set(schema["properties"]), under
        assert schema["additionalProperties"] is False, under
        return names

    assert declared(SCHEMA) == leaves(PARAMETERS)


def test_every_parameter_of_training_has_a_comment_that_says_what_it_is() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    flat = [name for name, value in PARAMETERS.items() if not isinstance(value, dict) or not value]
    assert [name for name in flat if not re.search(rf"^# (?!---).*\n{name}:|^{name}:.*#", text, re.MULTILINE)] == []


def test_every_group_of_parameters_has_a_heading() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    groups = [name for name, value in PARAMETERS.items() if isinstance(value, dict) and value]
    assert [
        name for name in groups if not re.search(rf"^# --- {name}(?::| -)", text, re.MULTILINE) and not re.search(rf"^# .*\n{name}:", text, re.MULTILINE)
    ] == []


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_imports_another_stage(stage: str) -> None:
    others = {f"stages.{other}" for other in STAGES if other != stage}
    foreign = {(str(file.relative_to(ROOT)), name) for file in modules(f"stages/{stage}") for name in imports(file) if ".".join(name.split(".")[:2]) in others}
    assert foreign == set()


def test_common_imports_no_stage_and_no_weights() -> None:
    foreign = {
        (file.name, name) for file in modules("stages/common") for name in imports(file) if name.startswith("stages.") and name.split(".")[1] != "common"
    }
    assert foreign == set()


def test_only_weights_imports_what_opens_weights() -> None:
    files = [file for folder in ("stages", "tools") for file in modules(folder) if "weights" not in file.parts]
    assert {(str(file.relative_to(ROOT)), name) for file in files for name in imports(file) if name.split(".")[0] in HEAVY} == set()
    assert {name.split(".")[0] for file in modules("stages/weights") for name in imports(file)} & HEAVY, "the test looks at the wrong place"


def test_stages_never_import_tools_or_tests() -> None:
    assert {(str(file.relative_to(ROOT)), name) for file in modules("stages") for name in imports(file) if name.split(".")[0] in ("tools", "tests")} == set()


def test_weights_does_not_import_what_its_environment_lacks() -> None:
    """.venv-train has no dvc, no ruamel of ours and no openai: weights may use only the standard library's part of common."""
    assert {
        (file.name, name) for file in modules("stages/weights") for name in imports(file) if name.split(".")[0] in ("dvc", "openai", "jsonschema", "pandas")
    } == set()


def test_no_file_names_a_place_on_one_persons_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    # Tests may invent such places; this checkout's own may stand nowhere.
    place, own = re.compile(rb"(?<![\w./~$}*-])/(?:work|home|root|Users|mnt|scratch)/[\w.-]+"), re.compile(re.escape(str(ROOT).encode()) + rb"\b")
    found = []
    for name in filter(None, listed):
        file = ROOT / name
        if file.is_file() and not file.is_symlink() and b"\0" not in (content := file.read_bytes())[:4096]:
            found += [f"{name}: {hit.group().decode()}" for hit in (own if name.startswith("tests/") else place).finditer(content)]
    assert found == []
