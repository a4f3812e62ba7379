"""The systems' ways to start a worker at login, behind one interface, and the choice among them."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Protocol

from nightschool.config.errors import ServiceError
from nightschool.jobs.service.autostart import Autostart
from nightschool.jobs.service.launchd import LaunchAgent
from nightschool.jobs.service.systemd import SystemdUser, manager_problem
from nightschool.jobs.service.task_scheduler import TaskScheduler
from nightschool.jobs.service.worker_command import WorkerCommand


class ServiceBackend(Protocol):
    """A way to start workers at login, with one file per worker in `folder`."""

    title: str
    suffix: str
    encoding: str

    @property
    def folder(self) -> Path: ...

    def render(self, work: WorkerCommand) -> str:
        """The content of the worker's file."""

    def parse_command(self, text: str) -> list[str]:
        """The worker's command line in a file's content; raises ValueError if there is none."""

    def start(self, name: str, changed: bool) -> None:
        """Register the existing file and start the worker; restart it if the file `changed`."""

    def stop(self, name: str) -> None:
        """Stop the worker and deregister the file."""

    def clean_up(self, name: str) -> None:
        """Remove what the system remembers after the file was deleted."""

    def running(self, name: str) -> bool | None:
        """Whether the system runs the worker; None if that is unknown."""

    def log(self, name: str, school: Path) -> str:
        """The command or file that shows the worker's output."""

    def remark(self) -> str:
        """When the worker starts and stops, for the user."""


def system_backends() -> list[ServiceBackend]:
    """The backends that this system may have, preferred one first."""
    if sys.platform == "win32":
        return [TaskScheduler()]
    if sys.platform == "darwin":
        return [LaunchAgent()]
    return [SystemdUser(), Autostart()]


def usable_backend() -> ServiceBackend:
    """The backend for an installation now; raises ServiceError if there is none."""
    preferred, *others = system_backends()
    if not others:
        return preferred
    if os.environ.get("SUDO_USER") and os.environ.get("USER") == "root":
        raise ServiceError("a service belongs to your own session", "run this without sudo")
    problem = manager_problem()
    if not problem:
        return preferred
    if os.environ.get("XDG_CURRENT_DESKTOP") or os.environ.get("DESKTOP_SESSION"):
        return others[0]
    wsl = ", in WSL after `systemd=true` under [boot] in /etc/wsl.conf" if _in_wsl() else ""
    raise ServiceError(
        f"there is neither a systemd user session ({problem}) nor a desktop session",
        f"leave `nightschool work` running in tmux, or install from a login session{wsl}",
    )


def _in_wsl() -> bool:
    return "microsoft" in platform.release().lower()
