"""The stage with merge.gguf: a file for llama.cpp that says what the merged model says, a Modelfile, and a converter that is not there or fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from stages.merge.gguf import plain
from tests.merge.test_merge_stage import laid_out, models, ready  # noqa: F401 - fixtures
from tests.project import Project
from tests.tiny_base import tiny_base  # noqa: F401 - a fixture

CONVERTER = Path(__file__).parent / "llama_cpp"


def convertible(project: Project, kind: str | None = "f32") -> Project:
    """With a base tokenizer as transformers makes one from a GGUF, which names a fall-back to bytes that it never needs."""
    project.set("merge.gguf", kind)
    for name in ("base", "adapter"):
        path = project.folder / "models" / name / "tokenizer.json"
        tokenizer = json.loads(path.read_text())
        path.write_text(json.dumps(tokenizer | {"model": tokenizer["model"] | {"byte_fallback": True}}))
    return project


@pytest.mark.slow
def test_a_gguf_that_says_the_same_lies_beside_the_model_with_a_modelfile(ready: Project) -> None:  # noqa: F811
    done = convertible(ready).run("merge", DRAMATIS_LLAMA_CPP=str(CONVERTER))
    assert done.returncode == 0, done.stderr
    folder, found = ready.folder / "models/merged", ready.metrics("merge")
    assert found["gguf_max_delta"] < 1e-3 and found["gguf_top1_agreement"] == 1 and abs(found["gguf_perplexity_ratio"] - 1) < 1e-4
    assert (folder / "model.gguf").read_bytes()[:4] == b"GGUF"
    lines = (folder / "Modelfile").read_text().splitlines()
    assert lines[:2] == ["FROM ./model.gguf", 'SYSTEM """You are H."""'] and lines[-2:] == ['PARAMETER stop """<|im_end|>"""', "PARAMETER num_ctx 512"]
    assert {"model.gguf", "Modelfile"} < {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("raise SystemExit('Model ExoticForCausalLM is not supported')", "cannot convert the model: Model ExoticForCausalLM is not supported"),
        ("values = values * 2 if 'embed' in name else values", "the GGUF does not say what the merged model says: mean |difference| "),
    ],
    ids=["one that fails", "one that changes the weights"],
)
def test_a_converter_that_fails_is_one_sentence_and_what_was_there_stays(ready: Project, tmp_path: Path, change: str, said: str) -> None:  # noqa: F811
    script = shutil.copytree(CONVERTER, tmp_path / "llama") / "convert_hf_to_gguf.py"
    before = "    writer.add_tensor(" if change.startswith("values") else "asked = parser.parse_args()\n"
    script.write_text(script.read_text().replace(before, f"{'    ' if 'values' in change else ''}{change}\n{before}"))
    assert said in convertible(ready).refused("merge", DRAMATIS_LLAMA_CPP=str(script.parent))


def test_without_a_converter_nothing_is_begun(ready: Project, tmp_path: Path) -> None:  # noqa: F811
    convertible(ready)
    again = "clone llama.cpp and name its folder in DRAMATIS_LLAMA_CPP, or set merge.gguf: null"
    assert ready.refused("merge", DRAMATIS_LLAMA_CPP="") == f"merge.gguf: no convert_hf_to_gguf.py on the PATH: {again}"
    assert ready.refused("merge", DRAMATIS_LLAMA_CPP=str(tmp_path)) == f"merge.gguf: no convert_hf_to_gguf.py in {tmp_path}: {again}"
    assert not (tmp_path / "state/logs/merge.log").exists()


def test_only_a_byte_level_tokenizer_is_told_in_another_way() -> None:
    other = {"model": {"type": "BPE", "byte_fallback": True}, "pre_tokenizer": None, "decoder": {"type": "Sequence"}}
    assert plain(other) == other
    found = plain(other | {"pre_tokenizer": {"type": "ByteLevel"}})
    assert found["model"] == {"type": "BPE", "byte_fallback": False} and found["decoder"]["type"] == "ByteLevel"
