"""A school's worker as a service runs it: its name, its command line and its environment."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightschool.config.current_folder import program
from nightschool.config.errors import ServiceError

PREFIX = "nightschool-"
# A run depends on these variables, and a service does not inherit them from a terminal.
PASSED_ON = ("CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_CACHE", "NIGHTSCHOOL_STATE")


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """A school, the interpreter that runs its worker, and the environment that the worker needs."""

    school: Path
    python: Path
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The service's name: the readable part of the folder's name, and a hash of its path."""
        plain = unicodedata.normalize("NFKD", self.school.name).encode("ascii", "ignore").decode()
        readable = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:40].strip("-") or "school"
        digest = hashlib.sha256(os.fsencode(self.school)).hexdigest()[:8]
        return f"{PREFIX}{readable}-{digest}"

    @property
    def log(self) -> Path:
        """The file for the worker's output, for systems that keep no log."""
        return self.school / ".nightschool" / "service.log"

    def command(self, *options: str) -> list[str]:
        return [
            str(self.python), "-P", "-X", "utf8", "-m", "nightschool",
            "--school", str(self.school), "work", *options,
        ]  # fmt: skip


def worker_command_for(school: Path, environment: Mapping[str, str] = os.environ) -> WorkerCommand:
    """The worker of `school`, run by the current interpreter.

    Raises ServiceError if a path holds a character that no service file can.
    """
    passed = tuple((name, environment[name]) for name in PASSED_ON if environment.get(name))
    for text in (str(school), sys.executable, *(value for _, value in passed)):
        if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
            raise ServiceError(
                f"{text!r} holds a control character, which no service file can hold", "rename it"
            )
    return WorkerCommand(school, Path(sys.executable), passed)


def check_start(work: WorkerCommand) -> None:
    """Raise ServiceError if the interpreter does not find nightschool outside this folder."""
    environment = os.environ | {"PYTHONPATH": "", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [str(work.python), "-P", "-m", "nightschool", "--version"],
        cwd=Path.home(), env=environment, capture_output=True, timeout=60,
    )  # fmt: skip
    if done.returncode:
        raise ServiceError(
            f"{work.python} does not find nightschool outside this folder",
            "install it there with `python go.py`, then run `nightschool service install` again",
        )


_NOTE = "X-Nightschool-Command="


def command_comment(command: Sequence[str]) -> str:
    """A line that holds the command line, for formats whose readers ignore keys with X-."""
    return _NOTE + json.dumps(command)


def parse_command_comment(text: str) -> list[str]:
    """The command line in a file's `command_comment`; raises ValueError if there is none."""
    lines = [line for line in text.splitlines() if line.startswith(_NOTE)]
    return [str(part) for part in json.loads(lines[0].removeprefix(_NOTE) if lines else "")]


def run_tool(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a system tool; raises ServiceError if it is missing or hangs."""
    tool = program(command[0])
    if tool is None:
        raise ServiceError(f"`{command[0]}` is not installed")
    try:
        return subprocess.run(
            [tool, *command[1:]],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"`{' '.join(command)}` failed: {error}") from None


def run_tool_checked(*command: str) -> str:
    """A system tool's output; raises ServiceError with its last line if it fails."""
    done = run_tool(*command)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        message = lines[-1] if lines else f"exit code {done.returncode}"
        raise ServiceError(f"`{' '.join(command)}` failed: {message}")
    return done.stdout
