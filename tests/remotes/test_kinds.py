"""Every kind of remote that the README names can be added and its library is there; GCS, Azure and WebDAV have no server here."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from dvc.fs import get_cloud_fs
from dvc.repo import Repo

from tests.project import ROOT

KINDS = {
    "s3": "s3://bucket/dramatis",
    "gs": "gs://bucket/dramatis",
    "azure": "azure://container/dramatis",
    "ssh": "ssh://host/srv/dramatis",
    "webdav": "webdav://host/dramatis",
    "webdavs": "webdavs://host/dramatis",
}
# What a user would give: enough for the class to be made, and nothing is asked of anybody.
KEYS: Mapping[str, dict[str, str]] = {"azure": {"connection_string": "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=YQ==;EndpointSuffix=e"}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_remote_of_each_kind_finds_its_library(kind: str) -> None:
    config = {"remote": {"storage": {"url": KINDS[kind], "verify": True, **KEYS.get(kind, {})}}}
    made, settings, _ = get_cloud_fs(config, name="storage")
    assert made.protocol == kind and settings["verify"] is True
    assert not made.get_missing_deps()


def test_one_line_of_the_requirements_names_every_kind_and_deploy_needs_no_other() -> None:
    (line,) = [line for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines() if line.startswith("dvc[")]
    assert line.startswith("dvc[azure,gs,s3,ssh,webdav]==")
    for file in (ROOT / "deploy").iterdir():
        assert not re.search(r"dvc-(azure|gs|s3|ssh|webdav)", file.read_text(encoding="utf-8")), file


def test_doctor_lists_every_kind() -> None:
    from dvc.info import get_dvc_info

    with Repo(ROOT):
        told = get_dvc_info()
    assert all(re.search(rf"^\s+{kind} \(", told, re.MULTILINE) for kind in KINDS), told
