"""A checkpoint counts when it is whole, whatever a kill left of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.common.checkpoints import WHOLE, best, damaged, mark, whole


def checkpoint(folder: Path, step: int) -> Path:
    path = folder / f"checkpoint-{step}"
    (path / "inside").mkdir(parents=True)
    (path / "adapter.bin").write_text("weights" * step)
    (path / "inside" / "optimizer.bin").write_text("moments")
    return path


def test_checkpoints_are_told_by_step_in_order_of_number(tmp_path: Path) -> None:
    paths = {step: checkpoint(tmp_path, step) for step in (100, 9, 20)}
    for path in paths.values():
        mark(path)
    assert list(whole(tmp_path).items()) == [(step, paths[step]) for step in (9, 20, 100)]


def test_without_its_mark_or_with_a_file_of_another_size_it_is_none(tmp_path: Path) -> None:
    for step in range(1, 6):
        mark(checkpoint(tmp_path, step))
    (tmp_path / "checkpoint-1" / WHOLE).unlink()
    (tmp_path / "checkpoint-2" / "adapter.bin").write_text("short")
    (tmp_path / "checkpoint-3" / "inside" / "optimizer.bin").unlink()
    (tmp_path / "checkpoint-4" / WHOLE).write_text("{")
    assert list(whole(tmp_path)) == [5]


def test_a_file_of_the_same_size_and_other_bytes_is_damage(tmp_path: Path) -> None:
    mark(path := checkpoint(tmp_path, 3))
    assert damaged(path) is None
    (path / "inside" / "optimizer.bin").write_text("MOMENTS")
    assert list(whole(tmp_path)) == [3] and damaged(path) == "inside/optimizer.bin"


def test_a_mark_of_another_version_is_none(tmp_path: Path) -> None:
    mark(path := checkpoint(tmp_path, 3))
    (path / WHOLE).write_text('{"adapter.bin": 21}')
    assert whole(tmp_path) == {}


def test_a_folder_of_another_name_is_none(tmp_path: Path) -> None:
    mark(checkpoint(tmp_path, 3).rename(tmp_path / "checkpoint-last"))
    assert whole(tmp_path) == {}


@pytest.mark.parametrize("losses, step", [({}, None), ({4: 2.0}, 4), ({2: 3.0, 4: 2.0, 6: 2.5}, 4), ({6: 2.0, 2: 2.0}, 2)])
def test_the_best_is_the_first_of_the_lowest(losses: dict[int, float], step: int | None) -> None:
    assert best(losses) == step
