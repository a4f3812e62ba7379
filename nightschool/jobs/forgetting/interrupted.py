"""What a worker completes when it starts: a forgetting that a crash interrupted."""

from __future__ import annotations

import logging

from nightschool.config.errors import NightschoolError
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger

_log = logging.getLogger(__name__)


def complete_interrupted(school: School) -> None:
    """Complete it before any run works; a problem is logged, and the next start tries again."""
    try:
        with Ledger(school.ledger_file) as ledger:
            ledger.write_pending_run_files()
            if all(one.done for one in ledger.forgettings()):
                return
        from nightschool.jobs.forgetting.performing import complete_forgettings  # lazy: numpy

        complete_forgettings(school, working=True)
    except (NightschoolError, OSError) as error:
        _log.warning("notes that are to be forgotten are not all erased yet: %s", error)
