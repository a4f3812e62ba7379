"""What the owner can request: each is written to the ledger, and its stage is then enqueued."""

from __future__ import annotations

import logging
import re
from contextlib import closing

from nightschool.config.errors import QueueError, RequestError
from nightschool.config.paths import School
from nightschool.config.settings import Settings, recorded
from nightschool.jobs.run_check import OnProgress, check_new_run, check_old_run
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import STAGES, Run, RunState, StageName, StageState, Timing

DEFAULT_QUICK = "45m"
_LONGEST_S = 366 * 86400.0
_log = logging.getLogger(__name__)


def quick_settings(settings: Settings, minutes: float) -> Settings:
    """The settings of a run that fits into this many minutes; 0: no limit."""
    return settings.with_train(quick_minutes=minutes)


def seeds_settings(settings: Settings, seeds: int) -> Settings:
    """The settings of a run that trains with this many seeds, one after another."""
    return settings.with_train(seeds=seeds)


def keeps_other_settings(run: Run, settings: Settings) -> bool:
    """Whether a run was queued with other settings than these, apart from its time limit and its seeds."""
    kept = recorded(run.settings)
    current = seeds_settings(quick_settings(settings, kept.train.quick_minutes), kept.train.seeds)
    return kept != current


def request_run(
    ledger: Ledger,
    school: School,
    settings: Settings,
    timing: Timing | None,
    *,
    new: bool,
    on_progress: OnProgress | None = None,
) -> tuple[Run, bool]:
    """Request all stages: of the newest run if it is unfinished and not `new`, else of a new run.

    Without a timing a new run waits for the night, and an unfinished one keeps its own. Returns the run
    and whether it is new. Raises RequestError if it would fail, see `run_check`.
    """
    newest = ledger.newest_run()
    if newest and not new and newest.state in (RunState.QUEUED, RunState.RUNNING, RunState.WAITING):
        check_old_run(ledger, school, newest, on_progress)
        run = ledger.raise_goal(newest.id, STAGES[-1], timing or newest.timing)
        enqueue_run(ledger, school, settings, run)
        return run, False
    timing = timing or Timing.TONIGHT
    check_new_run(ledger, school, settings, timing, on_progress)
    run = ledger.add_run(settings.model_dump(), STAGES[-1], timing)
    enqueue_run(ledger, school, settings, run)
    return run, True


def request_stage(
    ledger: Ledger,
    school: School,
    settings: Settings,
    stage: StageName,
    *,
    new: bool,
    on_progress: OnProgress | None = None,
) -> tuple[Run, bool]:
    """Request one stage of the newest run and the stages before it; of a new run if there is none, or `new`.

    Returns the run and whether the stage is already done. Raises RequestError if it would fail, see
    `run_check`, or the newest run failed or was cancelled.
    """
    newest = ledger.newest_run()
    if newest is None or new:
        check_new_run(ledger, school, settings, on_progress=on_progress)
        run = ledger.add_run(settings.model_dump(), stage, Timing.NOW)
    elif ledger.stage(newest.id, stage).state is StageState.DONE:
        return newest, True
    elif newest.state in (RunState.FAILED, RunState.CANCELLED):
        raise RequestError(
            f"run {newest.id} is {newest.state} ({newest.reason})",
            f"`nightschool retry {newest.id}`, or `nightschool {stage} --new` for a new run",
        )
    else:
        check_old_run(ledger, school, newest, on_progress)
        run = ledger.raise_goal(newest.id, stage, Timing.NOW)
    enqueue_run(ledger, school, settings, run)
    return run, False


def request_retry(ledger: Ledger, school: School, settings: Settings, run: int) -> Run:
    """Queue a failed or cancelled run again.

    Raises RequestError if it is neither, does not exist, would fail again (see `run_check`), or something
    that it needs was pruned.
    """
    _check_pruned(ledger, school, run)
    check_old_run(ledger, school, ledger.run(run))
    queued = ledger.retry(run)
    enqueue_run(ledger, school, settings, queued)
    return queued


def enqueue_run(ledger: Ledger, school: School, settings: Settings, run: Run) -> None:
    """Enqueue the stage that is due. If the queue is out of reach, the worker's scheduler does it later."""
    from nightschool.tasks.app import enqueue_due, open_queue  # lazy: huey

    try:
        with closing(open_queue(school, settings.queue.reveal())) as queue:
            enqueue_due(queue, ledger, run.id)
    except QueueError as error:
        _log.warning("run %d is recorded, but %s", run.id, error)


def _check_pruned(ledger: Ledger, school: School, run: int) -> None:
    """Raise RequestError if the run's dataset or its trained model was deleted to save room."""
    dataset = f"datasets/{(ledger.stage(run, StageName.PREP).result or {}).get('dataset')}"
    model = f"models/run-{run}/adapter"
    for name, path in (("dataset", dataset), ("model", model)):
        if path in ledger.prunings() and not (school.state / path).exists():
            raise RequestError(
                f"the {name} of run {run} was pruned, so it cannot be continued",
                "`nightschool run --new` starts another",
            )


def duration_s(text: str) -> float:
    """Seconds of a duration such as "2h", "45m", "1h30m" or "90s". Raises RequestError."""
    parts = r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?"
    match = re.fullmatch(parts, text.strip().lower(), re.ASCII)
    if not match or not any(match.groups()):
        raise RequestError(f'"{text}" is not a duration', "write it like 2h, 45m or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total_s = days * 86400.0 + hours * 3600 + minutes * 60 + seconds
    if total_s > _LONGEST_S:
        raise RequestError(f'"{text}" is too long', "give a year (366d) at most")
    return total_s
