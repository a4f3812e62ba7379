"""What an owner can ask for, put into the ledger."""

from __future__ import annotations

import re

from nightschool.config.errors import RequestError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import STAGES, Run, RunState, StageName, Timing
from nightschool.notes.readers import notes_path, unreadable

DEFAULT_QUICK = "45m"
_LONGEST_S = 366 * 86400.0


def quick_settings(settings: Settings, minutes: float) -> Settings:
    """The settings of a run that fits into so many minutes; 0: no limit."""
    return settings.with_train(quick_minutes=minutes)


def seeds_settings(settings: Settings, seeds: int) -> Settings:
    """The settings of a run that trains with so many seeds, one after another."""
    return settings.with_train(seeds=seeds)


def request_run(
    ledger: Ledger, school: School, settings: Settings, timing: Timing | None, *, new: bool
) -> tuple[Run, bool]:
    """The whole way: the unfinished newest run goes on, else a new one is queued.

    Without a timing a new run waits for the night, and an unfinished one keeps its own. Returns the
    run and whether it is new. Raises RequestError where a new one would find no notes.
    """
    newest = ledger.newest_run()
    if newest and not new and newest.state in (RunState.QUEUED, RunState.RUNNING, RunState.WAITING):
        return ledger.raise_goal(newest.id, STAGES[-1], timing or newest.timing), False
    _need_notes(school, settings)
    return ledger.add_run(settings.model_dump(), STAGES[-1], timing or Timing.TONIGHT), True


def request_stage(
    ledger: Ledger, school: School, settings: Settings, stage: str, *, new: bool
) -> tuple[Run, bool]:
    """One stage of the newest run, and the stages that it needs; without a run, a new one.

    Returns the run and whether the stage is done already. Raises RequestError where a new run would
    find no notes, or the newest failed.
    """
    newest = ledger.newest_run()
    if newest is None or new:
        _need_notes(school, settings)
        return ledger.add_run(settings.model_dump(), StageName(stage), Timing.NOW), False
    if ledger.stage(newest.id, stage).state == "done":
        return newest, True
    if newest.state in ("failed", "cancelled"):
        raise RequestError(
            f"run {newest.id} is {newest.state} ({newest.reason}): `nightschool retry {newest.id}`, "
            f"or `nightschool {stage} --new` for a new run"
        )
    return ledger.raise_goal(newest.id, StageName(stage), Timing.NOW), False


def _need_notes(school: School, settings: Settings) -> None:
    """Now its owner is there to hear it; later a run takes it for a drive that is not connected, and waits."""
    path = notes_path(school.root, settings)
    try:
        there = path.is_file() or any(path.iterdir())
    except FileNotFoundError:
        there = False
    except OSError as error:
        raise RequestError(f"{path} {unreadable(error)}") from None
    if not there:
        raise RequestError(
            f"there are no notes at {path}: is its drive connected? Else set notes.folder in nightschool.toml"
        )


def duration_s(text: str) -> float:
    """Seconds of a duration such as "2h", "45m", "1h30m" or "90s". Raises RequestError."""
    parts = r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?"
    match = re.fullmatch(parts, text.strip().lower(), re.ASCII)
    if not match or not any(match.groups()):
        raise RequestError(f'"{text}" is no duration: write it like 2h, 45m or 1h30m')
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    found = days * 86400.0 + hours * 3600 + minutes * 60 + seconds
    if found > _LONGEST_S:
        raise RequestError(f'"{text}" is too long: a year (366d) at most')
    return found
