"""An XDG autostart file: for Linux desktops without systemd.

The format: Desktop Entry Specification 1.5 (the Exec key's quoting, then the string type's
escapes), Desktop Application Autostart Specification 0.5.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from nightschool.jobs.service.worker_command import (
    WorkerCommand,
    command_comment,
    parse_command_comment,
)

# The desktop starts the worker once; this loop restarts it after a failure.
_LOOP = 'while [ -x "$0" ] && ! nice -n 10 "$0" "$@"; do sleep 60; done'


class Autostart:
    """See `ServiceBackend`."""

    title = "autostart file"
    suffix = ".desktop"
    encoding = "utf-8"

    @property
    def folder(self) -> Path:
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "autostart"

    def render(self, work: WorkerCommand) -> str:
        command = work.command("--log", str(work.log))
        words = ["env", *(f"{k}={v}" for k, v in work.environment), "sh", "-c", _LOOP, *command]
        return f"""\
# Written by `nightschool service install`; `nightschool service uninstall` removes it.
[Desktop Entry]
Type=Application
Name={_string(f"nightschool: {work.school.name}")}
Exec={" ".join(map(_word, words))}
Terminal=false
NoDisplay=true
{command_comment(command)}
"""

    def parse_command(self, text: str) -> list[str]:
        return parse_command_comment(text)

    def start(self, name: str, changed: bool) -> None:
        """Nothing to do: the desktop reads the file at the next login."""

    def stop(self, name: str) -> None:
        """Nothing to do: only the file registers the worker."""

    def clean_up(self, name: str) -> None:
        """Nothing to do."""

    def running(self, name: str) -> bool | None:
        return None

    def log(self, name: str, school: Path) -> str:
        return str(WorkerCommand(school, Path()).log)

    def remark(self) -> str:
        return "it starts at your next login; until then, run `nightschool work`"


def _word(word: str) -> str:
    """A word of the Exec key: quoted, with % doubled, then escaped like every string."""
    quoted = re.sub(r'(["`$\\])', r"\\\1", word).replace("%", "%%")
    return _string(f'"{quoted}"')


def _string(text: str) -> str:
    return text.replace("\\", "\\\\")
