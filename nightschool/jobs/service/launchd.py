"""A LaunchAgent, which starts the worker at login on macOS.

Format: launchd.plist(5); commands: launchctl(1).
"""

from __future__ import annotations

import os
import plistlib
import time
from pathlib import Path
from xml.parsers.expat import ExpatError

from nightschool.config.errors import ServiceError
from nightschool.jobs.service.worker_command import WorkerCommand, run_tool, run_tool_checked


class LaunchAgent:
    """See `ServiceBackend`."""

    title = "LaunchAgent"
    suffix = ".plist"
    encoding = "utf-8"

    @property
    def folder(self) -> Path:
        return Path.home() / "Library" / "LaunchAgents"

    def render(self, work: WorkerCommand) -> str:
        """The property list.

        launchd has no growing delay; after a failure it waits `ThrottleInterval` seconds.
        """
        agent = {
            "Label": work.name,
            "ProgramArguments": work.command("--log", str(work.log)),
            "EnvironmentVariables": {
                "PYTHONUTF8": "1",
                "PYTHONUNBUFFERED": "1",
                **dict(work.environment),
            },
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 60,
            "ExitTimeOut": 30,
            "LimitLoadToSessionType": "Aqua",
            "Nice": 10,
            "LowPriorityIO": True,
            "StandardErrorPath": str(work.log),  # until `--log` takes over
        }
        return plistlib.dumps(agent, sort_keys=False).decode("utf-8")

    def parse_command(self, text: str) -> list[str]:
        try:
            return [str(part) for part in plistlib.loads(text.encode("utf-8"))["ProgramArguments"]]
        except (ExpatError, KeyError, TypeError) as error:
            raise ValueError(f"not a LaunchAgent of nightschool: {error}") from None

    def start(self, name: str, changed: bool) -> None:
        if changed and self._loaded(name):
            self.stop(name)
        run_tool_checked("launchctl", "enable", _target(name))
        if self._loaded(name):
            run_tool_checked("launchctl", "kickstart", _target(name))
        else:
            run_tool_checked(
                "launchctl", "bootstrap", _domain(), str(self.folder / f"{name}{self.suffix}")
            )

    def stop(self, name: str) -> None:
        run_tool("launchctl", "bootout", _target(name))
        # `bootout` returns before the worker has exited, and `bootstrap` fails until then.
        for _ in range(400):
            if not self._loaded(name):
                return
            time.sleep(0.1)
        raise ServiceError(f"launchd did not stop {name} in time", "log out and in, then try again")

    def clean_up(self, name: str) -> None:
        """Nothing to do after `bootout`."""

    def running(self, name: str) -> bool | None:
        done = run_tool("launchctl", "print", _target(name))
        return done.returncode == 0 and "state = running" in done.stdout

    def log(self, name: str, school: Path) -> str:
        return str(WorkerCommand(school, Path()).log)

    def remark(self) -> str:
        return "it stops when you log out"

    def _loaded(self, name: str) -> bool:
        return run_tool("launchctl", "print", _target(name)).returncode == 0


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _target(name: str) -> str:
    return f"{_domain()}/{name}"
