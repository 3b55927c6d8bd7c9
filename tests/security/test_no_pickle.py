"""No pickle is opened and no code that comes with data is run: by the code itself, by the base stage, by the server."""

from __future__ import annotations

import ast
import json
import pickle
import shutil
from pathlib import Path

import pytest

from stages.common import inference_server
from stages.common.errors import UserError
from tests.bomb import Bomb
from tests.project import ROOT, Project, project  # noqa: F401
from tests.tiny_base import tiny_base  # noqa: F401

CODE = [path for folder in ("stages", "tools", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
# Calls that open pickles, or run what they are given.
RISKY = {
    "torch.load",
    "torch.hub.load",
    "numpy.load",
    "np.load",
    "pandas.read_pickle",
    "pd.read_pickle",
    "os.system",
    "os.popen",
    "yaml.unsafe_load",
    "yaml.full_load",
}
BUILTINS = {"eval", "exec", "compile", "__import__"}


def risks(source: str) -> list[str]:
    """What in a module could run somebody else's code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"import {name}" for name in names if name.partition(".")[0] in UNPICKLERS]
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called in RISKY | BUILTINS:
                found.append(called)
            if called == "yaml.load" and "Loader" in given:  # PyYAML's; ruamel's has none
                found.append(f"yaml.load with {given['Loader']}")
            if called.endswith("YAML") and given.get("typ") == "'unsafe'":
                found.append("YAML(typ='unsafe')")
            found += [f"{name}={given[name]}" for name in ("trust_remote_code", "shell", "allow_pickle") if given.get(name, "False") != "False"]
            if called.endswith(("AutoModel.from_pretrained", "ForCausalLM.from_pretrained")) and not given.keys() & {"use_safetensors", "gguf_file"}:
                found.append(f"{called} without use_safetensors")
    return found


def test_no_module_opens_a_pickle_or_runs_what_it_reads() -> None:
    found = {str(path.relative_to(ROOT)): risks(path.read_text(encoding="utf-8")) for path in CODE}
    assert len(found) > 150
    assert {path: told for path, told in found.items() if told} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from joblib import load", "torch.load(path)", "np.load(path)", "f(allow_pickle=True)", "yaml.load(text, Loader=yaml.Loader)",
        "YAML(typ='unsafe')", "AutoModel.from_pretrained(folder)", "AutoTokenizer.from_pretrained(folder, trust_remote_code=True)", "run(line, shell=True)", "eval(text)",
    ],
)  # fmt: skip
def test_the_look_at_the_code_sees_what_it_looks_for(line: str) -> None:
    assert risks(line)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "opened"


@pytest.fixture
def stranger(tiny_base: Path, project: Project) -> Path:  # noqa: F811
    """A base model's folder in the project, as somebody offers it for download."""
    folder = project.folder / "stranger"
    shutil.copytree(tiny_base, folder)
    project.set("base_model", "./stranger")
    shutil.copytree(ROOT / "requirements", project.folder / "requirements")
    return folder


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "tokenizer.pkl"])
def test_a_base_with_a_pickle_in_it_is_refused_and_the_pickle_not_opened(name: str, alone: bool, stranger: Path, project: Project, marker: Path) -> None:  # noqa: F811
    (stranger / name).write_bytes(pickle.dumps(Bomb(marker)))
    if alone:
        (stranger / "model.safetensors").unlink()
    said = refused(project, marker)
    assert said == f"base_model ./stranger: pickle weights are refused, they run code when opened: {name}; safetensors are expected"
    assert not marker.exists()


OWN_CODE = """
from pathlib import Path
from transformers import LlamaConfig, PreTrainedTokenizerFast
Path({marker!r}).mkdir()
class Config(LlamaConfig):
    model_type = "own"
class Words(PreTrainedTokenizerFast):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("config.json", {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}),
        ("tokenizer_config.json", {"tokenizer_class": "Words", "auto_map": {"AutoTokenizer": ["own.Words", "own.Words"]}}),
    ],
)
def test_a_base_that_works_with_code_of_its_own_alone_is_refused_and_the_code_not_run(
    name: str,
    told: dict,
    stranger: Path,
    project: Project,  # noqa: F811
    marker: Path,
) -> None:
    (stranger / "own.py").write_text(OWN_CODE.format(marker=str(marker)))
    (stranger / name).write_text(json.dumps(json.loads((stranger / name).read_text()) | told))
    assert refused(project, marker) == f"stranger/{name} asks for code of the model's own, which is never run; take a model that transformers knows by itself"
    assert not marker.exists()


def refused(project: Project, marker: Path) -> str:  # noqa: F811
    """The one sentence with which the base stage refuses what it was given."""
    done = project.run("base", DRAMATIS_STATE=str(marker.with_name("state")))
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("error: ").strip()


def test_an_adapter_with_pickled_weights_is_not_given_to_the_server(tmp_path: Path, marker: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "adapter_config.json").write_text('{"r": 8}')
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(UserError, match="no adapter_model.safetensors in it; a pickle"):
        inference_server.command(tmp_path, "base", 1, {"tuned": tmp_path}, tmp_path / "chat_template.jinja", gpu=False, seed=1)


@pytest.mark.slow
def test_the_server_opens_no_pickle_where_a_model_has_no_other_weights(stranger: Path, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAMATIS_STATE", str(tmp_path / "state"))
    (stranger / "model.safetensors").unlink()
    (stranger / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(UserError, match="before it was ready"), inference_server.serve(stranger, "base", stranger / "chat_template.jinja", 1):
        pass
    assert not marker.exists()
    assert "Cannot find any model weights" in next((tmp_path / "state/logs").iterdir()).read_text()
