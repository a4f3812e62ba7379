"""A systemd user unit, which starts the worker with the user's session and restarts it after a failure.

Format: systemd.syntax(7), systemd.unit(5), systemd.service(5), systemd.exec(5).
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from nightschool.config.errors import ServiceError
from nightschool.jobs.service.worker_command import (
    WorkerCommand,
    command_comment,
    parse_command_comment,
    run_tool,
    run_tool_checked,
)

_SYSCTL = Path("/proc/sys")


class SystemdUser:
    """See `ServiceBackend`."""

    title = "systemd user unit"
    suffix = ".service"
    encoding = "utf-8"

    @property
    def folder(self) -> Path:
        config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return Path(config) / "systemd" / "user"

    def render(self, work: WorkerCommand) -> str:
        """The unit.

        A restart waits one minute; from systemd 254 on, the delay grows to 15 minutes (older versions
        log that they ignore the two settings). Stopping the unit signals only the worker (`mixed`), which
        lets its child write a checkpoint. `ExecStart=:` disables expansion of `$`.
        """
        command = work.command()
        environment = [("PYTHONUTF8", "1"), ("PYTHONUNBUFFERED", "1"), *work.environment]
        settings = "\n".join(f"Environment={_quoted(f'{k}={v}')}" for k, v in environment)
        return f"""\
# Written by `nightschool service install`; `nightschool service uninstall` removes it.
[Unit]
Description=nightschool: {_escape_percent(work.school.name)}
ConditionPathExists={_escape_percent(str(work.school / "nightschool.toml"))}
{command_comment(command)}

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
{_sandbox()}
[Install]
WantedBy=default.target
"""

    def parse_command(self, text: str) -> list[str]:
        return parse_command_comment(text)

    def start(self, name: str, changed: bool) -> None:
        run_tool_checked("systemctl", "--user", "daemon-reload")
        run_tool_checked("systemctl", "--user", "enable", f"{name}.service")
        if changed or not self.running(name):
            # `start` would wait for the restart delay of a failed unit.
            run_tool_checked("systemctl", "--user", "restart", f"{name}.service")

    def stop(self, name: str) -> None:
        # Removal must succeed even if the unit's file is gone or the manager does not answer.
        run_tool("systemctl", "--user", "disable", "--now", f"{name}.service")
        for link in self.folder.glob(f"*.wants/{name}.service"):
            link.unlink(missing_ok=True)

    def clean_up(self, name: str) -> None:
        run_tool("systemctl", "--user", "daemon-reload")
        run_tool("systemctl", "--user", "reset-failed", f"{name}.service")

    def running(self, name: str) -> bool | None:
        done = run_tool("systemctl", "--user", "is-active", f"{name}.service")
        # Without output ("inactive", "failed" ...) the manager did not answer.
        return done.stdout.strip() == "active" if done.stdout.strip() else None

    def log(self, name: str, school: Path) -> str:
        return f"journalctl --user -u {name}"

    def remark(self) -> str:
        linger = run_tool("loginctl", "show-user", "--property=Linger", getpass.getuser())
        if linger.stdout.strip() == "Linger=yes":
            return "lingering is on: it runs from boot on, also while you are logged out"
        return (
            "it stops when you log out; `loginctl enable-linger` keeps it running and starts it at boot "
            "(`loginctl disable-linger` reverts that)"
        )


def manager_problem() -> str:
    """Why systemd's user manager cannot be reached; "" if it can."""
    try:
        done = run_tool("systemctl", "--user", "show", "--property=Version")
    except ServiceError as error:
        return str(error)
    if done.returncode == 0 and done.stdout.startswith("Version="):
        return ""
    return (done.stderr.strip().splitlines() or ["no answer"])[-1]


# What an unprivileged manager can enforce without hiding the GPU, the buses or the caches. Directives that need
# mount namespaces (PrivateTmp= ...) hide X11's socket or fail there, those of devices need privileges, and
# writable code is what CUDA compiles.
_SANDBOX = """\
UMask=0077
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @obsolete
SystemCallErrorNumber=EPERM
"""
# An unprivileged manager drops capabilities in a user namespace of its own; without one the unit would fail.
_WITHOUT_CAPABILITIES = "PrivateUsers=yes\nCapabilityBoundingSet=\n"
_NAMESPACE_SWITCHES = {
    "kernel/apparmor_restrict_unprivileged_userns": "1",
    "kernel/unprivileged_userns_clone": "0",
    "user/max_user_namespaces": "0",
}
"""Files below /proc/sys, with the values that forbid user namespaces (Ubuntu, Debian, all)."""


def _sandbox() -> str:
    """The unit's sandbox."""
    forbidden = any(
        file.exists() and file.read_text("ascii").strip() == value
        for file, value in ((_SYSCTL / name, value) for name, value in _NAMESPACE_SWITCHES.items())
    )
    return _SANDBOX + (_WITHOUT_CAPABILITIES if not forbidden else "")


def _shell(work: WorkerCommand) -> list[str]:
    """A wrapper for an interpreter whose path holds quotes, which systemd does not accept there."""
    awkward = set("'\"\\") & set(str(work.python))
    return ["/bin/sh", "-c", 'exec "$0" "$@"'] if awkward else []


def _escape_percent(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_escape_percent(escaped)}"'
