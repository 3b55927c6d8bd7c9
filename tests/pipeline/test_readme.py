from pathlib import Path

from tests.pipeline.reruns import reruns, table

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_readmes_table_of_re_runs_is_what_dvc_yaml_says():
    assert table() in README, f"README.md: put in its place what `python -m tests.pipeline.reruns` prints:\n{table()}"


def test_the_rank_re_runs_train_and_what_follows_and_nothing_else():
    assert reruns()["lora_r"] == ["train", "answer", "evaluate", "merge"]


def test_another_base_model_asks_the_teacher_nothing():
    assert "synthesize" not in reruns()["base_model"]
