"""The worker of one school as a service runs it: its name and its command line."""

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

from nightschool.config.errors import ServiceError

PREFIX = "nightschool-"
# Set in a terminal, these do not reach a service by themselves, and a run depends on them.
PASSED_ON = ("CUDA_VISIBLE_DEVICES", "HF_HOME", "HF_HUB_CACHE", "NIGHTSCHOOL_STATE")


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """A school's worker: the interpreter that runs it and the environment that it needs."""

    school: Path
    python: Path
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """Of the service: what can be read of the folder's name, and a hash of its whole path."""
        plain = unicodedata.normalize("NFKD", self.school.name).encode("ascii", "ignore").decode()
        readable = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:40].strip("-") or "school"
        digest = hashlib.sha256(os.fsencode(self.school)).hexdigest()[:8]
        return f"{PREFIX}{readable}-{digest}"

    @property
    def log(self) -> Path:
        """Where the worker writes what it prints, if the system keeps no log of it."""
        return self.school / ".nightschool" / "service.log"

    def command(self, *options: str) -> list[str]:
        return [
            str(self.python), "-X", "utf8", "-m", "nightschool",
            "--school", str(self.school), "work", *options,
        ]  # fmt: skip


def work_of(school: Path, environment: Mapping[str, str] = os.environ) -> WorkerCommand:
    """The worker of `school` under the interpreter that runs now.

    Raises ServiceError where the path holds what no service file can.
    """
    passed = tuple((name, environment[name]) for name in PASSED_ON if environment.get(name))
    for text in (str(school), sys.executable, *(value for _, value in passed)):
        if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
            raise ServiceError(
                f"{text!r} holds a line break or another control character, which no service file can: "
                "rename it"
            )
    return WorkerCommand(school, Path(sys.executable), passed)


def check_start(work: WorkerCommand) -> None:
    """Raise ServiceError where the interpreter does not find nightschool on its own."""
    environment = os.environ | {"PYTHONPATH": "", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [str(work.python), "-m", "nightschool", "--version"],
        cwd=Path.home(), env=environment, capture_output=True, timeout=60,
    )  # fmt: skip
    if done.returncode:
        raise ServiceError(
            f"{work.python} finds no nightschool outside of this folder: install it there "
            "(`python go.py` does), then run `service install` again"
        )


_NOTE = "X-Nightschool-Command="


def note(command: Sequence[str]) -> str:
    """A line for files whose readers skip keys that begin with X-, to find the command in again."""
    return _NOTE + json.dumps(command)


def noted(text: str) -> list[str]:
    """The command of a file's `note`; raises ValueError where there is none."""
    lines = [line for line in text.splitlines() if line.startswith(_NOTE)]
    return [str(part) for part in json.loads(lines[0].removeprefix(_NOTE) if lines else "")]


def call(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of the system's; raises ServiceError where it is missing or hangs."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=60
        )
    except FileNotFoundError:
        raise ServiceError(f"`{command[0]}` is not on this computer") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"`{' '.join(command)}` does not work: {error}") from None


def must(*command: str) -> str:
    """What the tool printed; raises ServiceError with its last words where it fails."""
    done = call(*command)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        said = lines[-1] if lines else f"exit code {done.returncode}"
        raise ServiceError(f"`{' '.join(command)}` failed: {said}")
    return done.stdout
