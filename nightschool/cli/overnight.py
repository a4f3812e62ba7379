"""What `status` says of the last night and of the notes that came since the newest run."""

from __future__ import annotations

from typing import Any

from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.morning_notification import newest_nights
from nightschool.jobs.note_check import as_dict, hint, still_news
from nightschool.ledger.ledger import Ledger
from nightschool.reports.text import night_text


def overnight(
    school: School, settings: Settings, ledger: Ledger, now: float
) -> tuple[list[str], dict[str, Any]]:
    """Lines for a terminal, and the same for `--json`: `night` (the newest) and `notes`."""
    found = newest_nights(ledger, settings.night, now)
    seen = still_news(school, ledger)
    lines = [f"{name}: {night_text.summary(night)}" for name, night in found]
    runs = {run.run: run for _, night in found for run in night.runs}  # once, as it is now
    lines += [night_text.outcome(run) for run in runs.values()]
    if said := hint(seen, settings.retrain):
        lines.append(said)
    return lines, {
        "night": night_text.as_dict(found[-1][1]) if found else None,
        "notes": as_dict(seen, settings.retrain),
    }
