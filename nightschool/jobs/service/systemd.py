"""A systemd user unit: starts the worker with its owner's session, and again when it fails.

The format: systemd.syntax(7), systemd.unit(5), systemd.service(5), systemd.exec(5).
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from nightschool.config.errors import ServiceError
from nightschool.jobs.service.worker_command import WorkerCommand, call, must, note, noted


class SystemdUser:
    """See `kinds.Kind`."""

    title = "systemd user unit"
    suffix = ".service"
    encoding = "utf-8"

    @property
    def folder(self) -> Path:
        config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return Path(config) / "systemd" / "user"

    def text(self, work: WorkerCommand) -> str:
        """The unit.

        Restarts wait for a minute; from systemd 254 on, up to a quarter of an hour (older ones skip
        the two settings and say so in their log). Stopping it asks the worker alone (`mixed`), which
        lets its child write a checkpoint. `ExecStart=:` keeps `$` as it is.
        """
        command = work.command()
        environment = [("PYTHONUTF8", "1"), ("PYTHONUNBUFFERED", "1"), *work.environment]
        settings = "\n".join(f"Environment={_quoted(f'{k}={v}')}" for k, v in environment)
        return f"""\
# Written by `nightschool service install`; `nightschool service uninstall` removes it.
[Unit]
Description=nightschool: {_percent(work.school.name)}
ConditionPathExists={_percent(str(work.school / "nightschool.toml"))}
{note(command)}

[Service]
Type=exec
ExecStart=:{" ".join(map(_quoted, [*_shell(work), *command]))}
{settings}
Restart=on-failure
RestartSec=1min
RestartSteps=5
RestartMaxDelaySec=15min
KillMode=mixed
TimeoutStopSec=30
Nice=10
IOSchedulingClass=idle

[Install]
WantedBy=default.target
"""

    def command(self, text: str) -> list[str]:
        return noted(text)

    def start(self, name: str, changed: bool) -> None:
        must("systemctl", "--user", "daemon-reload")
        must("systemctl", "--user", "enable", f"{name}.service")
        if changed or not self.running(name):
            # `start` would wait for the delay of one that failed to pass.
            must("systemctl", "--user", "restart", f"{name}.service")

    def stop(self, name: str) -> None:
        # A unit whose file is gone, or a manager that does not answer, must not keep it installed.
        call("systemctl", "--user", "disable", "--now", f"{name}.service")
        for link in self.folder.glob(f"*.wants/{name}.service"):
            link.unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        call("systemctl", "--user", "daemon-reload")
        call("systemctl", "--user", "reset-failed", f"{name}.service")

    def running(self, name: str) -> bool | None:
        done = call("systemctl", "--user", "is-active", f"{name}.service")
        # Without an answer of its own ("inactive", "failed" ...) the manager was not there.
        return done.stdout.strip() == "active" if done.stdout.strip() else None

    def log(self, name: str, school: Path) -> str:
        return f"journalctl --user -u {name}"

    def remark(self) -> str:
        asked = call("loginctl", "show-user", "--property=Linger", getpass.getuser())
        if asked.stdout.strip() == "Linger=yes":
            return "lingering is on: it works from the start of the computer, also when you are logged out"
        return (
            "it stops when you log out; `loginctl enable-linger` lets it go on then, and start with "
            "the computer (`loginctl disable-linger` takes that back)"
        )


def manager_answer() -> str:
    """An empty string where systemd's user manager can be reached, else what stands in the way."""
    try:
        done = call("systemctl", "--user", "show", "--property=Version")
    except ServiceError as error:
        return str(error)
    if done.returncode == 0 and done.stdout.startswith("Version="):
        return ""
    return (done.stderr.strip().splitlines() or ["no answer"])[-1]


def _shell(work: WorkerCommand) -> list[str]:
    """What goes before an interpreter whose name systemd would refuse: it takes no quotes there."""
    awkward = set("'\"\\") & set(str(work.python))
    return ["/bin/sh", "-c", 'exec "$0" "$@"'] if awkward else []


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_percent(escaped)}"'
