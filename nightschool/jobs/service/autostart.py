"""An XDG autostart file: for Linux desktops without systemd.

The format: Desktop Entry Specification 1.5 (the Exec key's quoting, then the string type's
escapes), Desktop Application Autostart Specification 0.5.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from nightschool.jobs.service.worker_command import WorkerCommand, note, noted

# The desktop starts it once: what starts it again when it fails is this loop.
_LOOP = 'while [ -x "$0" ] && ! nice -n 10 "$0" "$@"; do sleep 60; done'


class Autostart:
    """See `kinds.Kind`."""

    title = "autostart file"
    suffix = ".desktop"
    encoding = "utf-8"

    @property
    def folder(self) -> Path:
        return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "autostart"

    def text(self, work: WorkerCommand) -> str:
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
{note(command)}
"""

    def command(self, text: str) -> list[str]:
        return noted(text)

    def start(self, name: str, changed: bool) -> None:
        """The desktop reads the file at the next login."""

    def stop(self, name: str) -> None:
        """Nothing keeps it but its file."""

    def forget(self, name: str) -> None:
        """Nothing remembers it."""

    def running(self, name: str) -> bool | None:
        return None

    def log(self, name: str, school: Path) -> str:
        return str(WorkerCommand(school, Path()).log)

    def remark(self) -> str:
        return "it starts at your next login; until then: `nightschool work`"


def _word(word: str) -> str:
    """A word of the Exec key: quoted, field codes doubled, then escaped as every string is."""
    quoted = re.sub(r'(["`$\\])', r"\\\1", word).replace("%", "%%")
    return _string(f'"{quoted}"')


def _string(text: str) -> str:
    return text.replace("\\", "\\\\")
