"""What `status` says of the last night and of the notes that came since the newest run."""

from __future__ import annotations

from typing import Any

from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.jobs.morning import newest_night
from nightschool.jobs.seen import as_dict, hint, still_news
from nightschool.ledger.ledger import Ledger
from nightschool.reports import morning


def overnight(
    school: School, settings: Settings, ledger: Ledger, now: float
) -> tuple[list[str], dict[str, Any]]:
    """Lines for a terminal, and the same for `--json`: `night` and `notes`."""
    found = newest_night(ledger, settings.night, now)
    seen = still_news(school, ledger)
    lines = morning.lines(found[1], found[0]) if found else []
    if said := hint(seen, settings.retrain):
        lines.append(said)
    return lines, {
        "night": morning.as_dict(found[1]) if found else None,
        "notes": as_dict(seen, settings.retrain),
    }
