"""The backends of a service: their common behaviour, and the choice among them."""

from __future__ import annotations

import sys

import pytest

from nightschool.config.errors import ServiceError
from nightschool.jobs.service import backends
from nightschool.jobs.service.autostart import Autostart
from nightschool.jobs.service.backends import ServiceBackend, usable_backend
from nightschool.jobs.service.launchd import LaunchAgent
from nightschool.jobs.service.systemd import SystemdUser
from nightschool.jobs.service.task_scheduler import TaskScheduler
from nightschool.jobs.service.worker_command import WorkerCommand
from tests.jobs.service.fake_tools import FakeTools

BACKENDS: list[ServiceBackend] = [SystemdUser(), Autostart(), LaunchAgent(), TaskScheduler()]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.title)
def test_command_is_parsed_from_each_file(backend: ServiceBackend, awkward: WorkerCommand) -> None:
    command = backend.parse_command(backend.render(awkward))
    assert command[:6] == [sys.executable, "-P", "-X", "utf8", "-m", "nightschool"]
    assert command[6:9] == ["--school", str(awkward.school), "work"]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.title)
@pytest.mark.parametrize("text", ["", "nothing of ours", '<?xml version="1.0"?><a/>'])
def test_foreign_file_has_no_command(backend: ServiceBackend, text: str) -> None:
    with pytest.raises(ValueError):
        backend.parse_command(text)


@pytest.mark.skipif(sys.platform != "linux", reason="systemd and autostart are Linux'")
class TestOnLinux:
    def test_systemd_is_used_where_its_user_manager_answers(self, tools: FakeTools) -> None:
        assert isinstance(usable_backend(), SystemdUser)

    def test_a_desktop_without_systemd_gets_an_autostart_file(
        self, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tools.break_("systemctl", "Failed to connect to bus: No medium found")
        monkeypatch.setenv("XDG_CURRENT_DESKTOP", "XFCE")
        assert isinstance(usable_backend(), Autostart)

    def test_neither_is_one_line_that_says_what_to_do(
        self, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tools.break_("systemctl", "Failed to connect to bus: No medium found")
        with pytest.raises(ServiceError, match=r"\(Failed to connect to bus.*tmux") as refused:
            usable_backend()
        assert "\n" not in str(refused.value) and "wsl.conf" not in str(refused.value)
        monkeypatch.setattr(backends, "_in_wsl", lambda: True)
        with pytest.raises(ServiceError, match=r"systemd=true.*wsl\.conf"):
            usable_backend()

    def test_sudo_is_refused(self, tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUDO_USER", "hanako")
        monkeypatch.setenv("USER", "root")
        with pytest.raises(ServiceError, match="without sudo"):
            usable_backend()

    def test_lingering_is_explained(self, tools: FakeTools) -> None:
        assert "loginctl enable-linger" in SystemdUser().remark()
        tools.put("lingering")
        assert "lingering is on" in SystemdUser().remark()
