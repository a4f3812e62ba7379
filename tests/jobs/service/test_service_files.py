"""The files are valid by their formats' own rules, whatever is in a path."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from nightschool.config.errors import ServiceError
from nightschool.jobs.service.autostart import Autostart
from nightschool.jobs.service.backends import ServiceBackend
from nightschool.jobs.service.launchd import LaunchAgent
from nightschool.jobs.service.systemd import SystemdUser
from nightschool.jobs.service.task_scheduler import NAMESPACE, TaskScheduler
from nightschool.jobs.service.worker_command import WorkerCommand, worker_command_for
from tests.jobs.service.fake_tools import AWKWARD

BACKENDS: list[ServiceBackend] = [SystemdUser(), Autostart(), LaunchAgent(), TaskScheduler()]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.title)
def test_command_is_parsed_from_each_file(backend: ServiceBackend, awkward: WorkerCommand) -> None:
    command = backend.parse_command(backend.render(awkward))
    assert command[:5] == [sys.executable, "-X", "utf8", "-m", "nightschool"]
    assert command[5:8] == ["--school", str(awkward.school), "work"]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.title)
@pytest.mark.parametrize("text", ["", "nothing of ours", '<?xml version="1.0"?><a/>'])
def test_foreign_file_has_no_command(backend: ServiceBackend, text: str) -> None:
    with pytest.raises(ValueError):
        backend.parse_command(text)


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


# --- systemd ------------------------------------------------------------------------------------


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
    # Older ones than 254 do not know the growing delay, say so, and do without.
    said = [line for line in done.stderr.splitlines() if "Unknown key 'Restart" not in line]
    assert (done.returncode, said) == (0, [])
    if folder != AWKWARD:  # there a shell stands before it
        python.unlink()  # it did look at the very path that the quotes and signs stand for
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


# --- XDG autostart ------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("gio"), reason="no gio here")
def test_desktop_starts_the_exact_command(awkward: WorkerCommand, tmp_path: Path) -> None:
    """GLib's own launcher reads the file; the interpreter is a script that tells its arguments."""
    told = tmp_path / "told.json"
    python = awkward.school / "python"
    code = (
        "import json, os, sys\n"
        f"told = {str(told)!r}\n"
        "with open(told + '.new', 'w') as file:\n"
        "    json.dump([sys.argv, os.environ['HF_HOME'], os.nice(0)], file)\n"
        "os.rename(told + '.new', told)\n"
    )
    python.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    python.chmod(0o755)
    work = WorkerCommand(awkward.school, python, awkward.environment)
    file = tmp_path / "x.desktop"
    file.write_text(Autostart().render(work), encoding="utf-8")
    before = os.nice(0)
    subprocess.run(["gio", "launch", str(file)], check=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not told.exists():
        assert time.monotonic() < deadline, "it was not started"
        time.sleep(0.02)
    arguments, models, niceness = json.loads(told.read_text("utf-8"))
    assert arguments == work.command("--log", str(work.log))
    assert models == awkward.environment[0][1]
    assert niceness == min(before + 10, 19)


# --- launchd ------------------------------------------------------------------------------------


def test_agent_has_the_keys_that_launchd_needs(awkward: WorkerCommand) -> None:
    agent = plistlib.loads(LaunchAgent().render(awkward).encode("utf-8"))
    assert agent["Label"] == awkward.name
    assert agent["ProgramArguments"] == awkward.command()
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["Nice"] == 10 and agent["LowPriorityIO"] is True
    assert agent["EnvironmentVariables"]["PYTHONUTF8"] == "1"
    assert agent["StandardErrorPath"] == str(awkward.log)


# --- Task Scheduler -----------------------------------------------------------------------------

# Children that each type may have. "all": in any order, at most once; "sequence": in this order.
# Source: MicrosoftDocs/win32, desktop-src/TaskSchd/taskschedulerschema-*type-complextype.md, the
# same as [MS-TSCH] 2.5; a derived trigger type's sequence comes after its base type's.
SCHEMA = {
    "Task": "all RegistrationInfo Triggers Settings Data Principals Actions",
    "Task/RegistrationInfo": "all URI SecurityDescriptor Source Date Author Version Description "
    "Documentation",
    "Task/Triggers": "all LogonTrigger",
    "Task/Triggers/LogonTrigger": "sequence Enabled StartBoundary EndBoundary Repetition "
    "ExecutionTimeLimit UserId Delay",
    "Task/Triggers/LogonTrigger/Repetition": "all Interval Duration StopAtDurationEnd",
    "Task/Principals": "sequence Principal",
    "Task/Principals/Principal": "all UserId LogonType GroupId DisplayName RunLevel "
    "ProcessTokenSidType RequiredPrivileges",
    "Task/Settings": "all AllowStartOnDemand RestartOnFailure MultipleInstancesPolicy "
    "DisallowStartIfOnBatteries StopIfGoingOnBatteries AllowHardTerminate StartWhenAvailable "
    "NetworkProfileName RunOnlyIfNetworkAvailable WakeToRun Enabled Hidden "
    "DeleteExpiredTaskAfter IdleSettings NetworkSettings ExecutionTimeLimit Priority "
    "RunOnlyIfIdle UseUnifiedSchedulingEngine DisallowStartOnRemoteAppSession",
    "Task/Actions": "sequence Exec",
    "Task/Actions/Exec": "sequence Command Arguments WorkingDirectory",
}


def check_against_schema(element: ET.Element, path: str) -> None:
    children = [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element]
    if not children:
        assert path not in SCHEMA and element.text, path
        return
    order, *known = SCHEMA[path].split()
    assert set(children) <= set(known) and len(set(children)) == len(children), path
    if order == "sequence":
        assert children == sorted(children, key=known.index), path
    for child, name in zip(element, children, strict=True):
        check_against_schema(child, f"{path}/{name}")


def test_task_follows_the_schema(awkward: WorkerCommand, tmp_path: Path) -> None:
    backend = TaskScheduler()
    file = tmp_path / "task.xml"
    file.write_text(backend.render(awkward), encoding=backend.encoding)
    assert file.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff")
    task = ET.fromstring(file.read_bytes())  # expat reads the mark and the declared encoding
    assert task.tag == f"{{{NAMESPACE}}}Task" and task.get("version") == "1.2"
    check_against_schema(task, "Task")
    space = {"t": NAMESPACE}
    principal, actions = task.find(".//t:Principal", space), task.find("t:Actions", space)
    assert principal is not None and actions is not None
    assert principal.get("id") == actions.get("Context")
    assert [user.text for user in task.iterfind(".//t:UserId", space)] == ["PC\\花子"] * 2
    assert task.findtext(".//t:LogonType", None, space) == "InteractiveToken"
    assert task.findtext(".//t:RunLevel", None, space) == "LeastPrivilege"
    assert task.findtext(".//t:DisallowStartIfOnBatteries", None, space) == "false"


def test_task_opens_no_window(tmp_path: Path) -> None:
    python = tmp_path / "python.exe"
    python.touch()
    text = TaskScheduler().render(WorkerCommand(tmp_path, python))
    assert f"<Command>{python}</Command>" in text
    quiet = tmp_path / "pythonw.exe"
    quiet.touch()
    assert f"<Command>{quiet}</Command>" in TaskScheduler().render(WorkerCommand(tmp_path, python))
