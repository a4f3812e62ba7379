"""The systemd user unit, checked by systemd itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nightschool.jobs.service import systemd
from nightschool.jobs.service.systemd import SystemdUser
from nightschool.jobs.service.worker_command import WorkerCommand
from tests.jobs.service.fake_tools import AWKWARD


def verified(unit: Path, runtime: Path) -> subprocess.CompletedProcess[str]:
    runtime.mkdir(mode=0o700, exist_ok=True)
    return subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)],
        capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )  # fmt: skip


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
@pytest.mark.parametrize("folder", ["venv", "my 学校 100% %h ${HOME} `id` &<x>\u3000#", AWKWARD])
def test_systemd_accepts_the_unit(awkward: WorkerCommand, tmp_path: Path, folder: str) -> None:
    python = tmp_path / folder / "python"
    python.parent.mkdir(exist_ok=True)
    python.symlink_to(sys.executable)
    work = WorkerCommand(awkward.school, python, awkward.environment)
    unit = tmp_path / f"{work.name}.service"
    unit.write_text(SystemdUser().render(work), encoding="utf-8")
    done = verified(unit, tmp_path / "run")
    # Versions before 254 log that they ignore the growing delay.
    complaints = [line for line in done.stderr.splitlines() if "Unknown key 'Restart" not in line]
    assert (done.returncode, complaints) == (0, [])
    if folder != AWKWARD:  # its interpreter is started through a shell
        python.unlink()  # shows that systemd checks the exact path
        assert "not executable" in verified(unit, tmp_path / "run").stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_condition_has_the_awkward_path(awkward: WorkerCommand) -> None:
    condition = next(
        line for line in SystemdUser().render(awkward).splitlines() if "ConditionPathExists" in line
    )
    done = subprocess.run(["systemd-analyze", "condition", condition], capture_output=True)
    assert done.returncode == 0
    (awkward.school / "nightschool.toml").unlink()
    done = subprocess.run(["systemd-analyze", "condition", condition], capture_output=True)
    assert done.returncode != 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_unit_is_sandboxed(
    awkward: WorkerCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exposure below 5.0 of 10; without user namespaces the capabilities stay, or the unit would not start."""
    unit = tmp_path / "x.service"
    monkeypatch.setattr(systemd, "_SYSCTL", tmp_path)
    unit.write_text(SystemdUser().render(awkward), encoding="utf-8")
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=50", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()
    (tmp_path / "user").mkdir()
    (tmp_path / "user/max_user_namespaces").write_text("0\n")
    assert "CapabilityBoundingSet" not in SystemdUser().render(awkward)
