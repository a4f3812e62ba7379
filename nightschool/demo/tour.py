"""The demo: a whole run on sample notes, interrupted once by a pause and once by a kill.

It does what a user does: it starts a `nightschool work` process, and sends requests from another one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from nightschool.config import current_folder, files
from nightschool.config.errors import WorkerEnded
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template
from nightschool.config.trusted_schools import trust
from nightschool.jobs.requests import request_run
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing

NOTES = Path(__file__).parent / "notes"
# Shares of the training steps after which the run is paused, and its worker is killed.
PAUSE_AT, KILL_AT = 0.35, 0.7
_POLL_S = 0.1
Worker = subprocess.Popen[bytes]


def make_school(folder: Path) -> School:
    """Make a school with the demo's notes, settings and base model."""
    school = School(folder.resolve())
    shutil.copytree(NOTES, school.root / "notes")
    text = template({"preset": "cpu-demo", "split": {"test": 0.25}})
    files.rewrite(school.settings_file, text)
    trust(school)
    return school


def queue_run(school: School) -> int:
    """Queue a whole run; returns its number."""
    with Ledger(school.ledger_file) as ledger:
        return request_run(ledger, school, load(school.settings_file), Timing.NOW, new=True)[0].id


def tour(school: School, run: int, poll: Callable[[], object], say: Callable[[str], None]) -> None:
    """Work on the run and interrupt it twice; calls `poll` repeatedly, to show progress.

    Raises WorkerEnded if the worker ends before the run does.
    """
    worker = _start_worker(school)
    try:
        with Ledger(school.ledger_file) as ledger:
            if _until(ledger, run, PAUSE_AT, poll, worker):
                say("The owner returns: `nightschool pause`.")
                asked = time.monotonic()
                ledger.pause(None)
                while ledger.run(run).state == "running":
                    _wait(poll)
                step = ledger.stage(run, StageName.TRAIN).step
                say(
                    f"The run yields after {time.monotonic() - asked:.1f} s, with a checkpoint "
                    f"after step {step}. The owner leaves: `nightschool resume`."
                )
                ledger.resume()
            if _until(ledger, run, KILL_AT, poll, worker):
                say("The worker is killed (SIGKILL), as in a crash. Its child process exits, too.")
                worker.kill()
                worker.wait()
                worker = _start_worker(school)
                say("A new `nightschool work` resumes the run automatically.")
            while ledger.run(run).open:
                if worker.poll() is not None:
                    raise WorkerEnded(
                        "the demo's worker ended", f"see {school.root / 'worker.log'}"
                    )
                _wait(poll)
    finally:
        worker.terminate()
        worker.wait()


def _until(
    ledger: Ledger, run: int, share: float, poll: Callable[[], object], worker: Worker
) -> bool:
    """Wait until a share of the training steps is done; False if the training ends before that."""
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
    command = current_folder.python("-m", "nightschool", "--school", str(school.root), "work")
    with files.open_log(school.root / "worker.log") as log:
        return subprocess.Popen(
            command,
            cwd=current_folder.NEUTRAL_FOLDER,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONUTF8": "1"},
        )
