"""The worker of a service: its name, its command line and its environment."""

from __future__ import annotations

import plistlib
import sys
from pathlib import Path

import pytest

from nightschool.config.errors import ServiceError
from nightschool.jobs.service.launchd import LaunchAgent
from nightschool.jobs.service.systemd import SystemdUser
from nightschool.jobs.service.worker_command import WorkerCommand, check_start, worker_command_for


def test_service_names_are_readable_and_unique() -> None:
    schools = [Path("/a/学校"), Path("/b/学校"), Path("/a/Mé's Notes (2)"), Path("/a/" + "x" * 200)]
    names = [WorkerCommand(school, Path()).name for school in schools]
    assert len(set(names)) == 4
    assert names[0].startswith("nightschool-school-")
    assert names[2].startswith("nightschool-me-s-notes-2-")
    assert all(len(name) < 64 and name.isascii() for name in names)


@pytest.mark.parametrize("path", ["/a\nExecStart=/bin/x", "/a\u2028b", "/a\x07", "/a\udcffb"])
def test_path_with_control_characters_is_refused(path: str) -> None:
    with pytest.raises(ServiceError, match="control character"):
        worker_command_for(Path(path), {})


def test_environment_of_a_run_is_written_into_the_file(tmp_path: Path) -> None:
    work = worker_command_for(tmp_path, {"HF_HOME": "/models", "SECRET": "x", "HF_HUB_CACHE": ""})
    assert work.environment == (("HF_HOME", "/models"),)
    assert 'Environment="HF_HOME=/models"' in SystemdUser().render(work)
    assert plistlib.loads(LaunchAgent().render(work).encode())["EnvironmentVariables"]["HF_HOME"]


def test_interpreter_without_nightschool_is_refused(awkward: WorkerCommand, tmp_path: Path) -> None:
    check_start(WorkerCommand(awkward.school, Path(sys.executable)))
    lonely = tmp_path / "python"
    lonely.write_text("#!/bin/sh\necho No module named nightschool >&2; exit 1\n")
    lonely.chmod(0o755)
    with pytest.raises(ServiceError, match="does not find nightschool outside this folder"):
        check_start(WorkerCommand(awkward.school, lonely))
