"""A home folder per test, and fake tools on its PATH."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nightschool.jobs.service.worker_command import PASSED_ON, WorkerCommand
from tests.jobs.service.fake_tools import AWKWARD, FakeTools


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERDOMAIN", "PC")
    monkeypatch.setenv("USERNAME", "花子")
    for name in (
        "XDG_CONFIG_HOME", "XDG_CURRENT_DESKTOP", "DESKTOP_SESSION", "SUDO_USER", *PASSED_ON,
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    return FakeTools(tmp_path / "tools", monkeypatch)


@pytest.fixture
def awkward(tmp_path: Path) -> WorkerCommand:
    """A worker whose school and environment hold every awkward character."""
    school = tmp_path / AWKWARD
    school.mkdir()
    (school / "nightschool.toml").touch()
    return WorkerCommand(school, Path(sys.executable), (("HF_HOME", f"/models/{AWKWARD}"),))
