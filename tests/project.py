"""A copy of the project in a folder of the test's own, in which the real stages run as DVC starts them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.tokenizer import lay_out

ROOT = Path(__file__).resolve().parents[1]


class Project:
    """Code, schemas, pipeline, parameters, word lists and the Holmes card; everything else is put in by the test."""

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ("stages", "schemas"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copytree(ROOT / "data/words", folder / "data/words")
        (folder / "data" / "characters").mkdir(parents=True)
        lay_out(folder / "models" / "base")
        for name in ("dvc.yaml", "params.yaml", "data/characters/sherlock-holmes.json"):
            shutil.copy2(ROOT / name, folder / name)

    def write(self, path: str, content: str | bytes) -> Path:
        """A file of the project, its folders made."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def set(self, name: str, value: Any) -> None:
        """Change one parameter, as `dvc exp run -S` does."""
        file, yaml = self.folder / "params.yaml", YAML()
        values = yaml.load(file)
        *groups, last = name.split(".")
        inner = values
        for group in groups:
            inner = inner[group]
        inner[last] = value
        yaml.dump(values, file)

    def add_card(self, stem: str, **fields: Any) -> Path:
        """A second character, made from the Holmes card."""
        card = json.loads((ROOT / "data/characters/sherlock-holmes.json").read_text(encoding="utf-8"))
        card["data"].update(fields)
        return self.write(f"data/characters/{stem}.json", json.dumps(card))

    def run(self, stage: str, code: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m stages.STAGE`, or `code` with the stage as its argument, here."""
        command = ["-c", code, f"stages.{stage}"] if code else ["-m", f"stages.{stage}"]
        surroundings = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHASHSEED")}
        return subprocess.run([sys.executable, *command], cwd=self.folder, env={**surroundings, **environment}, capture_output=True, text=True, timeout=300)

    def records(self, path: str) -> list[dict]:
        """The records of a JSONL file."""
        return [json.loads(line) for line in (self.folder / path).read_text(encoding="utf-8").splitlines()]

    def metrics(self, stage: str) -> dict[str, float]:
        """What the stage counted."""
        return json.loads((self.folder / f"metrics/{stage}.json").read_text(encoding="utf-8"))

    def written(self, stage: str) -> dict[str, bytes]:
        """The bytes of all that dvc.yaml says the stage writes, and of nothing else that lies in the same folders."""
        paths = {path for out in self.outs(stage) for path in (self.folder / out).parent.glob("*") if path.is_file()}
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in sorted(paths) if path.parent.name != "metrics" or path.stem == stage}

    def outs(self, stage: str) -> list[str]:
        """The outs and metrics of a stage in dvc.yaml."""
        entry = YAML(typ="safe").load(self.folder / "dvc.yaml")["stages"][stage]
        return [out if isinstance(out, str) else next(iter(out)) for out in [*entry["outs"], *entry["metrics"]]]

    def refused(self, stage: str, **environment: str) -> str:
        """The one sentence with which the stage refuses its input; what an earlier run wrote must stay as it was."""
        earlier = {out: b'{"earlier": 1}\n' for out in self.outs(stage)}
        for out, content in earlier.items():
            self.write(out, content)
        done = self.run(stage, **environment)
        assert "Traceback" not in done.stderr, done.stderr[-1500:]
        assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
        assert self.written(stage) == earlier
        return done.stderr.removeprefix("error: ").strip()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project of the test's own."""
    return Project(tmp_path / "project")
