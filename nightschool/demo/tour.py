"""The demo's way: a school, a whole run, its owner coming back, a kill, and the report.

It does what a user would do: a `nightschool work` process, and requests from outside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nightschool.config.errors import WorkerEnded
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template
from nightschool.jobs.requests import request_run
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing

NOTES = Path(__file__).parent / "notes"
# The shares of the training steps at which the owner comes back, and the worker is killed.
PAUSE_AT, KILL_AT = 0.35, 0.7
_POLL_S = 0.1
Worker = subprocess.Popen[bytes]


def make_school(folder: Path) -> School:
    """A school with the demo's notes, settings and base."""
    school = School(folder.resolve())
    shutil.copytree(NOTES, school.root / "notes")
    text = template({"preset": "cpu-demo", "split": {"test": 0.25}})
    school.settings_file.write_text(text, encoding="utf-8", newline="\n")
    return school


def queue_run(school: School) -> int:
    """Queue the whole way; returns the run."""
    with Ledger(school.ledger_file) as ledger:
        return request_run(ledger, school, load(school.settings_file), Timing.NOW, new=True)[0].id


def tour(school: School, run: int, poll: Callable[[], object], say: Callable[[str], None]) -> None:
    """Do the run, interrupted twice; `poll` is called all the while, to show how far it is."""
    worker = _start_worker(school)
    try:
        with Ledger(school.ledger_file) as ledger:
            if _until(ledger, run, PAUSE_AT, poll, worker):
                say("The owner comes back: `nightschool pause`.")
                asked = time.monotonic()
                ledger.pause(None)
                while ledger.run(run).state == "running":
                    _wait(poll)
                step = ledger.stage(run, StageName.TRAIN).step
                say(
                    f"Out of the way {time.monotonic() - asked:.1f} s later, with a checkpoint "
                    f"after step {step}. The owner leaves: `nightschool resume`."
                )
                ledger.resume()
            if _until(ledger, run, KILL_AT, poll, worker):
                say("The worker is killed (SIGKILL), as by a crash. Its child ends by itself.")
                worker.kill()
                worker.wait()
                worker = _start_worker(school)
                say("`nightschool work` is started again and goes on by itself.")
            while ledger.run(run).open:
                if worker.poll() is not None:
                    raise WorkerEnded(f"the demo's worker ended: see {school.root / 'worker.log'}")
                _wait(poll)
    finally:
        worker.terminate()
        worker.wait()


def _until(
    ledger: Ledger, run: int, share: float, poll: Callable[[], object], worker: Worker
) -> bool:
    """Wait until a share of the training steps is done; False where that will not come."""
    while ledger.run(run).open and worker.poll() is None:
        stage = ledger.stage(run, StageName.TRAIN)
        if stage.state == "done":
            return False
        if (
            stage.state == "running"
            and stage.total_steps
            and stage.step >= share * stage.total_steps
        ):
            return True
        _wait(poll)
    return False


def _wait(poll: Callable[[], object]) -> None:
    poll()
    time.sleep(_POLL_S)


def _start_worker(school: School) -> Worker:
    command = [sys.executable, "-m", "nightschool", "--school", str(school.root), "work"]
    with (school.root / "worker.log").open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"PYTHONUTF8": "1"}
        )
