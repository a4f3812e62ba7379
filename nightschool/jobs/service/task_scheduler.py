"""A task of Windows' Task Scheduler, which starts the worker at logon in the user's session.

Format: Task Scheduler Schema (MicrosoftDocs/win32, desktop-src/TaskSchd) and [MS-TSCH] 2.5.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from nightschool.jobs.service.worker_command import WorkerCommand, run_tool, run_tool_checked

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
_RUNNING = (
    "267009"  # SCHED_S_TASK_RUNNING (0x41301); unlike the status name, it is never translated
)


class TaskScheduler:
    """See `ServiceBackend`. The file is for `schtasks /Create /XML`: UTF-16 with a byte order mark."""

    title = "scheduled task"
    suffix = ".xml"
    encoding = "utf-16"

    @property
    def folder(self) -> Path:
        import platformdirs  # lazy: platformdirs

        return Path(platformdirs.user_data_dir("nightschool", False)) / "tasks"

    def render(self, work: WorkerCommand) -> str:
        """The task.

        `RestartOnFailure` ignores a process that exits with an error, so the trigger repeats: every
        five minutes the task starts unless it already runs. The worker itself checks power and idle
        time, so the scheduler's conditions are off. Priority 7 is below normal, also for the disk.
        `pythonw.exe` opens no window.
        """
        command = WorkerCommand(work.school, _windowless(work.python)).command(
            "--log", str(work.log)
        )
        user = _owner()
        return _document(
            {
                "RegistrationInfo": {
                    "Author": user,
                    "Description": f"nightschool: {work.school.name}",
                    "Documentation": json.dumps(command),
                },
                "Triggers": {
                    "LogonTrigger": {
                        "Enabled": "true",
                        "Repetition": {"Interval": "PT5M", "StopAtDurationEnd": "false"},
                        "UserId": user,
                    }
                },
                "Principals": {
                    "Principal": {
                        "@id": "Owner",
                        "UserId": user,
                        "LogonType": "InteractiveToken",
                        "RunLevel": "LeastPrivilege",
                    }
                },
                "Settings": {
                    "MultipleInstancesPolicy": "IgnoreNew",
                    "DisallowStartIfOnBatteries": "false",
                    "StopIfGoingOnBatteries": "false",
                    "RunOnlyIfIdle": "false",
                    "StartWhenAvailable": "true",
                    "ExecutionTimeLimit": "PT0S",
                    "Priority": "7",
                    "Enabled": "true",
                },
                "Actions": {
                    "@Context": "Owner",
                    "Exec": {
                        "Command": command[0],
                        "Arguments": subprocess.list2cmdline(command[1:]),
                    },
                },
            }
        )

    def parse_command(self, text: str) -> list[str]:
        try:
            root = ET.fromstring(
                text.partition("?>")[2]
            )  # ElementTree rejects an encoding declaration in a str
        except ET.ParseError as error:
            raise ValueError(f"not a task of nightschool: {error}") from None
        documentation = root.findtext(
            f"{{{NAMESPACE}}}RegistrationInfo/{{{NAMESPACE}}}Documentation"
        )
        return [str(part) for part in json.loads(documentation or "")]

    def start(self, name: str, changed: bool) -> None:
        if changed and self.running(name):
            run_tool_checked("schtasks", "/End", "/TN", name)
        file = self.folder / f"{name}{self.suffix}"
        run_tool_checked("schtasks", "/Create", "/TN", name, "/XML", str(file), "/F")
        run_tool_checked("schtasks", "/Run", "/TN", name)

    def stop(self, name: str) -> None:
        run_tool("schtasks", "/End", "/TN", name)
        run_tool("schtasks", "/Delete", "/TN", name, "/F")

    def clean_up(self, name: str) -> None:
        """Nothing to do after `/Delete`."""

    def running(self, name: str) -> bool | None:
        done = run_tool("schtasks", "/Query", "/TN", name, "/FO", "CSV", "/V", "/NH")
        return done.returncode == 0 and any(
            _RUNNING in row for row in csv.reader(done.stdout.splitlines())
        )

    def log(self, name: str, school: Path) -> str:
        return str(WorkerCommand(school, Path()).log)

    def remark(self) -> str:
        return "it stops when you log off"


def _windowless(python: Path) -> Path:
    windowless = python.with_name("pythonw.exe")
    return windowless if windowless.exists() else python


def _owner() -> str:
    domain, user = os.environ.get("USERDOMAIN", ""), os.environ.get("USERNAME", "")
    return f"{domain}\\{user}" if domain else user


def _document(parts: dict[str, Any]) -> str:
    root = ET.Element("Task", {"version": "1.2", "xmlns": NAMESPACE})
    _fill(root, parts)
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-16"?>\n{body}\n'


def _fill(element: ET.Element, parts: dict[str, Any]) -> None:
    for name, part in parts.items():
        if name.startswith("@"):
            element.set(name[1:], part)
        elif isinstance(part, dict):
            _fill(ET.SubElement(element, name), part)
        else:
            ET.SubElement(element, name).text = part
