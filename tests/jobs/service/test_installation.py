"""Installation, listing and removal, with stand-ins for each backend's tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import filelock
import pytest

from nightschool.config.errors import ServiceError
from nightschool.config.paths import School
from nightschool.jobs.service import installation
from nightschool.jobs.service.autostart import Autostart
from nightschool.jobs.service.backends import ServiceBackend
from nightschool.jobs.service.launchd import LaunchAgent
from nightschool.jobs.service.systemd import SystemdUser
from nightschool.jobs.service.task_scheduler import TaskScheduler
from nightschool.jobs.service.worker_command import WorkerCommand
from tests.jobs.service.fake_tools import FakeTools

RUNNING: list[ServiceBackend] = [SystemdUser(), LaunchAgent(), TaskScheduler()]


def only(backend: ServiceBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "system_backends", lambda: [backend])


@pytest.mark.parametrize("backend", RUNNING, ids=lambda backend: backend.title)
def test_service_is_installed_found_and_removed(
    backend: ServiceBackend,
    awkward: WorkerCommand,
    tools: FakeTools,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(backend, monkeypatch)
    assert installation.install(backend, awkward) == "new"
    [service] = installation.installed()
    assert (service.name, service.school) == (awkward.name, awkward.school)
    assert service.stale() == [] and service.running() is True and service.log()
    assert installation.install(backend, awkward) == "same"
    changed = WorkerCommand(awkward.school, awkward.python, (("HF_HOME", "/elsewhere"),))
    if not isinstance(backend, TaskScheduler):  # its file holds no environment
        assert installation.install(backend, changed) == "changed"
    assert installation.installed()[0].running() is True
    installation.uninstall(service)
    assert installation.installed() == [] and service.running() is False
    assert list(backend.folder.iterdir()) == []
    installation.uninstall(service)  # a second removal is no error


def test_systemd_receives_the_commands_of_an_installation(
    awkward: WorkerCommand, tools: FakeTools
) -> None:
    backend, unit = SystemdUser(), f"{awkward.name}.service"
    installation.install(backend, awkward)
    asked = [" ".join(words) for words in tools.calls("systemctl")]
    assert asked == [
        "--user daemon-reload", f"--user enable {unit}", f"--user is-active {unit}",
        f"--user restart {unit}",
    ]  # fmt: skip
    installation.install(backend, awkward)
    assert ["--user", "restart", unit] not in tools.calls("systemctl"), "it was not disturbed"
    installation.install(backend, WorkerCommand(awkward.school, awkward.python))
    assert tools.calls("systemctl")[-1] == ["--user", "restart", unit]
    installation.uninstall(installation.installed()[0])
    assert ["--user", "disable", "--now", unit] in tools.calls("systemctl")
    assert not tools.has(f"enabled-{unit}") and not tools.has(f"active-{unit}")


def test_unit_is_removed_if_systemd_does_not_answer(
    awkward: WorkerCommand, tools: FakeTools
) -> None:
    backend = SystemdUser()
    installation.install(backend, awkward)
    link = backend.folder / "default.target.wants" / f"{awkward.name}.service"
    link.parent.mkdir()
    link.symlink_to(installation.service_file(backend, awkward.name))
    tools.break_("systemctl", "Failed to connect to bus: No medium found")
    [service] = installation.installed()
    assert service.running() is None
    installation.uninstall(service)
    assert not link.is_symlink() and not service.file.exists()


def test_launchd_reloads_a_changed_agent(
    awkward: WorkerCommand, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LaunchAgent()
    only(backend, monkeypatch)
    installation.install(backend, awkward)
    installation.install(backend, WorkerCommand(awkward.school, awkward.python))
    verbs = [words[0] for words in tools.calls("launchctl") if words[0] != "print"]
    assert verbs == ["enable", "bootstrap", "bootout", "enable", "bootstrap"]
    domain = f"gui/{os.getuid()}"
    installation.install(backend, WorkerCommand(awkward.school, awkward.python))
    assert ["kickstart", f"{domain}/{awkward.name}"] in tools.calls("launchctl")


def test_windows_registers_and_runs_the_task(
    awkward: WorkerCommand, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = TaskScheduler()
    only(backend, monkeypatch)
    installation.install(backend, awkward)
    file = str(installation.service_file(backend, awkward.name))
    assert tools.calls("schtasks") == [
        ["/Create", "/TN", awkward.name, "/XML", file, "/F"],
        ["/Run", "/TN", awkward.name],
    ]


def test_message_of_a_tool_is_passed_on(awkward: WorkerCommand, tools: FakeTools) -> None:
    tools.break_("systemctl", "first\nFailed to enable unit: it is masked")
    with pytest.raises(ServiceError, match="daemon-reload` failed: Failed to enable unit: it is"):
        installation.install(SystemdUser(), awkward)


def test_missing_tool_is_named(
    awkward: WorkerCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match="`systemctl` is not installed"):
        installation.install(SystemdUser(), awkward)


def test_systemd_replaces_an_autostart_file(awkward: WorkerCommand, tools: FakeTools) -> None:
    installation.install(Autostart(), awkward)
    installation.install(SystemdUser(), awkward)
    assert [service.backend.title for service in installation.installed()] == [SystemdUser.title]


def test_moved_school_and_missing_python_are_stale(
    awkward: WorkerCommand, tools: FakeTools, tmp_path: Path
) -> None:
    installation.install(SystemdUser(), WorkerCommand(awkward.school, tmp_path / "gone" / "python"))
    assert "its Python no longer exists" in installation.installed()[0].stale()[0]
    installation.install(SystemdUser(), awkward)
    awkward.school.rename(tmp_path / "moved")
    assert "is no longer a school" in installation.installed()[0].stale()[0]


@pytest.mark.parametrize("damage", [b"", b"[Unit]\nX-Nightschool-Command=[", b"\xff\xff\xff"])
def test_damaged_file_is_stale_and_rewritten(
    awkward: WorkerCommand, tools: FakeTools, damage: bytes
) -> None:
    installation.install(SystemdUser(), awkward)
    [service] = installation.installed()
    service.file.write_bytes(damage)
    [service] = installation.installed()
    assert service.stale() == ["its file was edited or damaged"]
    assert installation.install(SystemdUser(), awkward) == "changed"
    assert installation.installed()[0].stale() == []


def test_running_worker_prevents_an_installation(awkward: WorkerCommand, tools: FakeTools) -> None:
    backend = SystemdUser()
    installation.check_installable(backend, awkward, False)
    with filelock.FileLock(School(awkward.school).work_lock):
        with pytest.raises(ServiceError, match=r"a worker .* already runs .* stop it with Ctrl-C"):
            installation.check_installable(backend, awkward, False)
        tools.put(f"active-{awkward.name}.service")  # the worker is the service's own
        installation.check_installable(backend, awkward, False)


def test_read_only_config_folder_is_named(
    awkward: WorkerCommand, tools: FakeTools, home: Path
) -> None:
    (home / ".config").write_text("a file, not a folder")
    with pytest.raises(ServiceError, match=r"\.service is not writable \(.*\)"):
        installation.install(SystemdUser(), awkward)


def test_read_only_school_is_named(awkward: WorkerCommand, tools: FakeTools) -> None:
    (awkward.school / ".nightschool").write_text("a file, not a folder")
    with pytest.raises(ServiceError, match=r"is not writable \(.*\)"):
        installation.check_installable(SystemdUser(), awkward, False)


def test_school_on_a_read_only_disk_is_named(awkward: WorkerCommand, tools: FakeTools) -> None:
    state = School(awkward.school).state
    state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(state)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a disk can only be mounted by root on Linux")
    try:
        with pytest.raises(ServiceError, match=r"is not writable \(Read-only file system\)"):
            installation.check_installable(SystemdUser(), awkward, False)
    finally:
        subprocess.run(["umount", str(state)], check=True)


def test_removable_drive_needs_the_option(
    awkward: WorkerCommand, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "removable_drive", lambda folder: "sda1")
    with pytest.raises(ServiceError, match=r"removable drive \(sda1\).*--removable"):
        installation.check_installable(SystemdUser(), awkward, False)
    installation.check_installable(SystemdUser(), awkward, True)
