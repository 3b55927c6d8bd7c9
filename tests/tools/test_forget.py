"""tools/forget.py on a real DVC repository with a remote: after a purge the forgotten word is found nowhere, and a purge that was cut short is finished."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common import forgetting
from stages.common.forgetting import Forgotten

ROOT = Path(__file__).resolve().parents[2]
DVC = "/".join((".dvc", "tmp"))  # where DVC keeps its locks and the copies of experiments, in the repository
COPY = f"{DVC}/exps/standalone/tmp1"
MARKER = "xyzzy-of-user-seven"
PIPELINE = """\
stages:
  base:
    cmd: mkdir -p models/base && echo weights > models/base/weights
    deps: [base.txt]
    outs: [models/base]
  curate:
    cmd: mkdir -p data/curated metrics && cp data/raw/export.jsonl data/curated/chats.jsonl && echo '{"lines":2}' > metrics/curate.json
    deps: [data/raw/export.jsonl]
    outs: [data/curated/chats.jsonl]
    metrics:
      - metrics/curate.json:
          cache: false
  train:
    cmd: mkdir -p models/adapter && cat models/base/weights data/curated/chats.jsonl > models/adapter/weights
    deps: [data/curated/chats.jsonl, models/base]
    params: [rank]
    outs: [models/adapter]
"""


@dataclass
class Repository:
    """A team's project, its remote and this machine's state, each in a folder of the test's own."""

    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "project"

    def run(self, *command: str, check: bool = True, said: str = "") -> subprocess.CompletedProcess[str]:
        settings = {f"DVC_{name}_DIR": str(self.home / name) for name in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG")}
        names = {f"GIT_{who}_{what}": "tests@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        surroundings = {
            **os.environ,
            **settings,
            **names,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "DRAMATIS_STATE": str(self.home / "state"),
            "DVC_NO_ANALYTICS": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(command, cwd=self.folder, env=surroundings, input=said, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def forget(self, *arguments: str, check: bool = True, said: str = "") -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "tools.forget", *arguments, check=check, said=said)

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        return file

    def holders(self, *places: str) -> list[str]:
        """Files in which the marker stands, git's own aside."""
        files = [file for place in places or (".",) for file in sorted((self.home / place).rglob("*")) if file.is_file() and ".git" not in file.parts]
        return [str(file.relative_to(self.home)) for file in files if MARKER.encode() in file.read_bytes()]

    def commit(self, message: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Two runs, committed, tagged and pushed, an experiment, and all that lies about after real use; the export is clean again."""
    repository = Repository(tmp_path_factory.mktemp("forget"))
    repository.folder.mkdir()
    repository.run("git", "init", "-q", "-b", "main")
    repository.run("dvc", "init", "-q")
    repository.run("dvc", "remote", "add", "-d", "team", "../remote")
    repository.write("dvc.yaml", PIPELINE)
    repository.write("params.yaml", "rank: 8\n")
    repository.write("base.txt", "a base model\n")
    repository.write(".gitignore", "/data/curated/\n/models/\n*.part\n")
    repository.write("data/raw/export.jsonl", f'{{"user": 7, "said": "{MARKER}"}}\n{{"user": 8, "said": "hello"}}\n')
    repository.run("dvc", "add", "data/raw/export.jsonl")
    repository.run("dvc", "repro", "-q")
    repository.commit("first run")
    repository.run("git", "tag", "v1")
    repository.run("dvc", "exp", "run", "-n", "lower-rank", "-S", "rank=4")
    repository.run("git", "checkout", "-q", "--", ".")
    repository.run("dvc", "checkout", "--force")
    repository.run("dvc", "push", "--run-cache")
    for place in (
        "state/requests/answer.json",
        "state/train/scratch",
        "state/logs/train.log",
        f"project/{COPY}/data/curated/chats.jsonl",
    ):
        file = repository.home / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(MARKER)
    (repository.home / "state" / "models").mkdir()
    (repository.home / "state" / "models" / "base.gguf").write_text("dequantized")
    repository.write("data/curated/.chats.jsonl.4711.part", MARKER)
    repository.write("models/.adapter.4711.part/weights", MARKER)
    repository.write(".dvc/cache/files/md5/ab/.half.tmp", MARKER)
    repository.write("../remote/files/md5/ab/.half.tmp", MARKER)
    # The run cache keeps the command with its values.
    for runs in ("project/.dvc/cache/runs", "remote/runs"):
        assert (repository.home / runs).is_dir()
        next(file for file in (repository.home / runs).rglob("*") if file.is_file()).write_text(MARKER)
    repository.write("data/raw/export.jsonl", '{"user": 8, "said": "hello"}\n')
    repository.run("dvc", "add", "data/raw/export.jsonl")
    repository.run("dvc", "push", "data/raw/export.jsonl")
    repository.commit("user 7 is taken out of the export")
    return repository


@pytest.fixture
def repository(prepared: Repository, tmp_path: Path) -> Repository:
    shutil.copytree(prepared.home, tmp_path / "home", symlinks=True)
    return Repository(tmp_path / "home")


def lock_of(repository: Repository) -> dict:
    return YAML(typ="safe").load(repository.folder / "dvc.lock")["stages"]


@pytest.mark.slow
def test_after_a_purge_the_marker_is_nowhere_and_what_holds_no_chat_is_kept(repository: Repository) -> None:
    places = {holder.split("/")[0] for holder in repository.holders()}
    assert places >= {"project", "remote", "state"} and len(repository.holders()) >= 12
    base = lock_of(repository)["base"]

    done = repository.forget("purge", "--yes")

    assert repository.holders() == []
    assert lock_of(repository) == {"base": base}
    assert (repository.folder / "models/base/weights").read_text() == "weights\n"
    assert not (repository.folder / "models/adapter").exists() and not list((repository.folder / "data/curated").iterdir())
    assert [path.name for path in (repository.home / "state").iterdir()] == ["models"]
    assert (repository.folder / "data/raw/export.jsonl").read_text() == '{"user": 8, "said": "hello"}\n'
    # What is kept can still be fetched and run: base is not run again.
    shutil.rmtree(repository.folder / "models/base")
    (repository.folder / "data/raw/export.jsonl").unlink()
    shutil.rmtree(repository.folder / ".dvc/cache")
    repository.run("dvc", "pull", "base")
    repository.run("dvc", "pull", "data/raw/export.jsonl.dvc")
    again = repository.run("dvc", "repro")
    assert "Running stage 'curate'" in again.stdout and "Running stage 'train'" in again.stdout and "Running stage 'base'" not in again.stdout
    assert repository.holders() == []

    first = repository.run("git", "rev-parse", "--short", "v1").stdout.strip()
    models = YAML(typ="safe").load(repository.run("git", "show", "v1:dvc.lock").stdout)["stages"]["train"]["outs"]
    assert f"{first} " in done.stdout and "tag: v1" in done.stdout
    [adapter] = [line for line in done.stdout.splitlines() if f"models/adapter {models[0]['md5']}: " in line]
    assert f"commit {first}" in adapter and adapter.endswith("tag v1")
    assert "  dvc exp remove lower-rank\n" in done.stdout
    assert "  metrics/curate.json\n" in done.stdout
    assert "  data/raw/export.jsonl\n" in done.stdout
    assert "`dvc repro` makes data and models again" in done.stdout.splitlines()[-1]
    assert "Commits that hold exports themselves" not in done.stdout


@pytest.mark.slow
def test_exports_that_git_itself_holds_are_told_of(repository: Repository) -> None:
    repository.write("data/raw/other.jsonl", '{"user": 9, "said": "x"}\n')
    repository.commit("an export in git")
    commit = repository.run("git", "rev-parse", "--short", "HEAD").stdout.strip()
    done = repository.forget("purge", "--yes")
    told = done.stdout.partition("Commits that hold exports themselves, whole chats")[2].splitlines()
    assert told[1].split()[0] == commit and "git filter-repo --invert-paths --path data/raw" in told[2]


def test_the_state_of_another_checkout_is_left_alone(repository: Repository) -> None:
    code = "import os; del os.environ['DRAMATIS_STATE']; from tools import forget; from stages.common.errors import run; run(lambda: forget.purge(True))"
    done = repository.run(sys.executable, "-c", code, check=False)
    assert done.returncode == 1
    assert "error: this Python belongs to another checkout, whose state " in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("step", ["drop_from_lock", "collect_garbage", "collected", "git"])
def test_a_purge_that_was_cut_short_is_finished_by_the_next(repository: Repository, step: str) -> None:
    code = f"""
import sys
from tools import forget
from stages.common.errors import run
def killed(*_):
    raise KeyboardInterrupt
forget.{step} = killed
sys.argv[1:] = ["purge", "--yes"]
run(forget.main)
"""
    assert repository.run(sys.executable, "-c", code, check=False).returncode == 130
    done = repository.forget("purge", "--yes")
    assert repository.holders() == []
    assert set(lock_of(repository)) == {"base"}
    assert "tag v1\n" in done.stdout


@pytest.mark.slow
def test_a_remote_that_cannot_be_purged_is_named_the_others_are_purged_and_a_second_purge_finishes(repository: Repository) -> None:
    repository.run("dvc", "remote", "add", "another", "s3://nowhere")
    done = repository.forget("purge", "--yes", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: remote another: not purged")
    assert "Traceback" not in done.stderr
    assert repository.holders() == []
    assert done.stderr.count("\n") > 1  # DVC's own message
    repository.run("dvc", "remote", "remove", "another")
    assert repository.forget("purge", "--yes").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["", "no\n", "y\n"])
def test_without_a_yes_it_says_what_it_would_do_and_does_nothing(repository: Repository, answer: str) -> None:
    before = repository.holders()
    done = repository.forget("purge", check=False, said=answer)
    assert (done.returncode, done.stderr) == (1, "error: nothing was deleted: the answer was not yes (--yes answers it)\n")
    for said in ("data/curated/chats.jsonl, models/adapter", str(repository.home / "state"), "remote team", "paid again", "run cache"):
        assert said in done.stdout
    assert "models/base" not in done.stdout
    assert repository.holders() == before


@pytest.mark.slow
def test_a_cache_that_other_projects_share_is_told_of_before_the_question(repository: Repository) -> None:
    repository.run("dvc", "cache", "dir", "../shared")
    done = repository.forget("purge", check=False)
    assert f"in DVC's cache {repository.home / 'shared'}" in done.stdout and "what other projects keep in it is deleted too" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("place", [f"{DVC}/rwlock", f"{COPY}/{DVC}/rwlock"])
def test_while_dvc_runs_a_stage_nothing_is_deleted(repository: Repository, place: str) -> None:
    repository.write(place, json.dumps({"write": {"models/adapter": {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    before = repository.holders()
    done = repository.forget("purge", "--yes", check=False)
    assert done.returncode == 1 and done.stderr.startswith(f"error: `dvc repro` is running (process {os.getpid()})")
    assert repository.holders() == before


@pytest.mark.slow
def test_the_plan_for_the_projects_own_pipeline_spares_the_base_model_alone(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.folder.mkdir()
    repository.run("git", "init", "-q", "-q")
    repository.run("dvc", "init", "-q")
    shutil.copy2(ROOT / "dvc.yaml", repository.folder)
    shutil.copy2(ROOT / "params.yaml", repository.folder)
    code = "from dvc.repo import Repo; from tools.forget import plan_of; plan = plan_of(Repo()); print(*plan.kept_stages, *plan.kept_outs); print(*plan.outs)"
    kept, purged = repository.run(sys.executable, "-c", code).stdout.splitlines()
    assert kept.split() == ["base", "models/base"]
    assert {"data/curated/chats.jsonl", "data/synthetic/rejects.jsonl", "data/splits/train.jsonl", "data/answers/answers.jsonl"} <= set(purged.split())
    assert {"reports/evaluation.html", "models/adapter", "models/merged"} <= set(purged.split())
    assert not [path for path in purged.split() if path.startswith(("metrics/", "plots/", "models/base"))]


def test_outside_a_project_it_is_one_sentence(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.folder.mkdir()
    done = repository.forget("purge", "--yes", check=False)
    assert (done.returncode, done.stderr) == (1, "error: no dvc.yaml and .dvc here: run this in the project's folder\n")


def test_ids_come_from_standard_input_and_the_number_of_new_ones_is_said(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.folder.mkdir()
    assert repository.forget("add", said="user-7\n\n Zoe\u0308 \r\nuser-7\n").stdout.startswith("2 of 3 ids new in data/raw/forget.txt; ")
    assert repository.forget("add", said="user-7\nuser-8").stdout.startswith("1 of 2 ids new in ")
    forgotten = forgetting.read(repository.folder / forgetting.FILE)
    assert forgotten != Forgotten()
    assert [forgotten.holds([each]) for each in ("user-7", "Zoë", "user-8", "user-9")] == [True, True, True, False]


def test_an_id_on_the_command_line_is_refused(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.folder.mkdir()
    done = repository.forget("add", "user-7", check=False, said="")
    assert done.returncode == 2 and "unrecognized arguments" in done.stderr
    assert not (repository.folder / forgetting.FILE).exists()
