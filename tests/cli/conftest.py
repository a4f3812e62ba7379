"""Calling commands: in this process, or as the user does."""

from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner, Result

from nightschool.cli.main import cli
from nightschool.config.paths import School


def invoke(school: School, *arguments: str, keys: str | None = None) -> Result:
    """Call a command in this process; `keys` are its standard input."""
    return CliRunner().invoke(cli, ["--school", str(school.root), *arguments], input=keys)


def nightschool(*arguments: str, school: School | None = None) -> subprocess.CompletedProcess[str]:
    """Call a command in a process of its own."""
    where = ["--school", str(school.root)] if school else []
    return subprocess.run(
        [sys.executable, "-m", "nightschool", *where, *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
