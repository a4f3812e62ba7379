"""The ways to start a worker at login, behind one interface, and which of them this computer has."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Protocol

from nightschool.config.errors import ServiceError
from nightschool.jobs.service.autostart import Autostart
from nightschool.jobs.service.launchd import LaunchAgent
from nightschool.jobs.service.systemd import SystemdUser, manager_answer
from nightschool.jobs.service.task_scheduler import TaskScheduler
from nightschool.jobs.service.worker_command import WorkerCommand


class Kind(Protocol):
    """A way to start workers at login; each worker has a file of its own in one folder."""

    title: str
    suffix: str
    encoding: str

    @property
    def folder(self) -> Path: ...

    def text(self, work: WorkerCommand) -> str:
        """The file."""

    def command(self, text: str) -> list[str]:
        """The worker's command line in such a file; raises ValueError where there is none."""

    def start(self, name: str, changed: bool) -> None:
        """Register the file, which is there, and start it; anew if it `changed`."""

    def stop(self, name: str) -> None:
        """End the worker and deregister the file."""

    def forget(self, name: str) -> None:
        """Drop what the system still knows once the file is gone."""

    def running(self, name: str) -> bool | None:
        """Whether the system runs it; None where it cannot be asked."""

    def log(self, name: str, school: Path) -> str:
        """The command or the file that shows what the worker printed."""

    def remark(self) -> str:
        """What its owner should know about when it starts and stops."""


def kinds_here() -> list[Kind]:
    """Those that this system may have, the preferred one first."""
    if sys.platform == "win32":
        return [TaskScheduler()]
    if sys.platform == "darwin":
        return [LaunchAgent()]
    return [SystemdUser(), Autostart()]


def usable_kind() -> Kind:
    """The one that a service can be installed with now; raises ServiceError where there is none."""
    preferred, *others = kinds_here()
    if not others:
        return preferred
    if os.environ.get("SUDO_USER") and os.environ.get("USER") == "root":
        raise ServiceError("a service belongs to your own session: run this without sudo")
    obstacle = manager_answer()
    if not obstacle:
        return preferred
    if os.environ.get("XDG_CURRENT_DESKTOP") or os.environ.get("DESKTOP_SESSION"):
        return others[0]
    wsl = ", in WSL after `systemd=true` under [boot] in /etc/wsl.conf" if _in_wsl() else ""
    raise ServiceError(
        f"no systemd user session answers here ({obstacle}), and this is no desktop session: "
        f"leave `nightschool work` running in tmux, or install from a login session{wsl}"
    )


def _in_wsl() -> bool:
    return "microsoft" in platform.release().lower()
