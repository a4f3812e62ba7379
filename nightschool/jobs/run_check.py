"""What would end a run at one of its first stages is refused when it is requested, not at night."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nightschool.config.errors import ChildError, LearningError, NotesError, RequestError
from nightschool.config.paths import DEMO_BASE, School
from nightschool.config.settings import Settings, recorded
from nightschool.config.trusted_schools import with_reach_of_file
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Run, StageName, StageState, Timing

_NEWEST = 20

OnProgress = Callable[[str, int, int], None]
"""Called now and then with (task, amount done, amount in all)."""


def check_new_run(
    ledger: Ledger,
    school: School,
    settings: Settings,
    timing: Timing = Timing.NOW,
    on_progress: OnProgress | None = None,
) -> None:
    """Raise RequestError if a new run would fail with these notes, this base or this device.

    For a run that waits for the night, a child process tries the base and the device, unless an earlier run
    got past that with the same settings.
    """
    try:
        base = _check(school, settings, on_progress)
    except (NotesError, LearningError) as error:
        raise RequestError(error.message, error.hint) from None
    train = settings.train
    plain = base == DEMO_BASE and train.device in ("auto", "cpu") and train.precision == "auto"
    if timing == Timing.NOW or base is None or plain or _has_worked(ledger, settings):
        return
    from nightschool.tasks.child_queries import ask_to_probe  # lazy: numpy

    try:
        found = ask_to_probe(school, settings)
    except (ChildError, OSError):
        return  # `doctor` explains it; the worker may have more memory
    if problem := found.base_error or found.device_error:
        raise RequestError(problem, "`nightschool doctor` has details")


def check_old_run(
    ledger: Ledger, school: School, run: Run, on_progress: OnProgress | None = None
) -> None:
    """Raise RequestError if a run that has not frozen its notes yet would fail to, with its own settings.

    Notes that are out of reach are no reason: the run waits for them.
    """
    if ledger.stage(run.id, StageName.PREP).state is StageState.DONE:
        return
    try:
        _check(school, with_reach_of_file(school, recorded(run.settings)), on_progress)
    except (NotesError, LearningError) as error:
        if error.final:
            raise RequestError(
                f"run {run.id} would fail with the settings that it was queued with: {error}",
                "`nightschool run --new` queues a run with your current settings",
            ) from None


def _check(school: School, settings: Settings, on_progress: OnProgress | None) -> Path | None:
    """Freeze the notes as prep would, but write nothing; returns the base, None if prep would download it.

    Raises NotesError, LearningError.
    """
    from nightschool.learning.hub import obtainable  # lazy: numpy
    from nightschool.stages.freeze_notes import read_and_freeze  # lazy: numpy

    def report(done: int, total: int, notes: int) -> None:
        if on_progress:
            on_progress("checking the notes", done, total)

    read_and_freeze(school, settings, report)
    return obtainable(settings.base, school.root)


def _has_worked(ledger: Ledger, settings: Settings) -> bool:
    """Whether one of the newest runs has scored this base on this device."""
    wanted = _tried(settings)
    return any(
        _tried(recorded(run.settings)) == wanted
        and ledger.stage(run.id, StageName.BASELINE).state is StageState.DONE
        for run in ledger.newest_runs(_NEWEST)
    )


def _tried(settings: Settings) -> tuple[str, str, str]:
    return settings.base, settings.train.device, settings.train.precision
