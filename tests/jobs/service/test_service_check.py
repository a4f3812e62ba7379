from __future__ import annotations

import shutil
import sys
from pathlib import Path

from nightschool.config.paths import School
from nightschool.jobs.service import installation
from nightschool.jobs.service.service_check import check_services
from nightschool.jobs.service.systemd import SystemdUser
from nightschool.jobs.service.worker_command import WorkerCommand
from tests.jobs.service.fake_tools import FakeTools


def test_a_moved_school_is_told_that_its_service_starts_nothing(
    awkward: WorkerCommand, tools: FakeTools, tmp_path: Path
) -> None:
    assert check_services(School(awkward.school)).finding.startswith("none starts")
    installation.install(SystemdUser(), awkward)
    assert check_services(School(awkward.school)).finding.startswith(f"{awkward.name} starts")
    moved = School(tmp_path / "moved 学校")
    shutil.move(awkward.school, moved.root)
    found = check_services(moved)
    assert found.finding.endswith("is no longer a school") and str(awkward.school) in found.finding
    assert f"uninstall {awkward.name}`" in found.remedy and "service install`" in found.remedy
    installation.install(SystemdUser(), WorkerCommand(moved.root, Path(sys.executable)))
    found = check_services(moved)
    assert "uninstall" in found.remedy and "service install`" not in found.remedy


def test_a_service_without_its_python_is_installed_again(
    awkward: WorkerCommand, tools: FakeTools, tmp_path: Path
) -> None:
    installation.install(SystemdUser(), WorkerCommand(awkward.school, tmp_path / "gone"))
    found = check_services(School(awkward.school))
    assert (found.verdict, found.remedy) == ("warning", "`nightschool service install`")
