"""The autostart file, started by GLib's launcher."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nightschool.jobs.service.autostart import Autostart
from nightschool.jobs.service.worker_command import WorkerCommand


@pytest.mark.skipif(not shutil.which("gio"), reason="no gio here")
def test_desktop_starts_the_exact_command(awkward: WorkerCommand, tmp_path: Path) -> None:
    """GLib's launcher reads the file; the interpreter is a script that records its arguments."""
    received = tmp_path / "received.json"
    python = awkward.school / "python"
    code = (
        "import json, os, sys\n"
        f"received = {str(received)!r}\n"
        "with open(received + '.new', 'w') as file:\n"
        "    json.dump([sys.argv, os.environ['HF_HOME'], os.nice(0)], file)\n"
        "os.rename(received + '.new', received)\n"
    )
    python.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    python.chmod(0o755)
    work = WorkerCommand(awkward.school, python, awkward.environment)
    file = tmp_path / "x.desktop"
    file.write_text(Autostart().render(work), encoding="utf-8")
    before = os.nice(0)
    subprocess.run(["gio", "launch", str(file)], check=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not received.exists():
        assert time.monotonic() < deadline, "it was not started"
        time.sleep(0.02)
    arguments, models, niceness = json.loads(received.read_text("utf-8"))
    assert arguments == work.command("--log", str(work.log))
    assert models == awkward.environment[0][1]
    assert niceness == min(before + 10, 19)
