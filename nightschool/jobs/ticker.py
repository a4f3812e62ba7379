"""The ticker: every two seconds the policy decides, and what may run is enqueued."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from apscheduler.schedulers.background import BackgroundScheduler

from nightschool.config.paths import School
from nightschool.config.settings import NightSettings
from nightschool.jobs.policy import decide
from nightschool.ledger.ledger import Ledger
from nightschool.tasks.app import Queue

EVERY_S = 2

_log = logging.getLogger(__name__)


def tick(
    school: School,
    queue: Queue,
    night: NightSettings,
    clock: Callable[[], datetime] = datetime.now,
) -> None:
    """Record the policy's decision, and enqueue a look at a run that may go on and is not."""
    try:
        with Ledger(school.ledger_file) as ledger:
            run = ledger.next_run()
            decision = decide(run, ledger.control(), night, clock())
            ledger.decide(run.id if run else None, decision.run, decision.reason)
        if run and decision.run and run.state == "queued" and queue.huey.pending_count() == 0:
            queue.look_at(run.id)
    except Exception as error:
        # The ledger or the queue (a file or a server) is out of reach: the next tick tries again.
        _log.warning("%s", error)


def start_ticker(school: School, queue: Queue, night: NightSettings) -> BackgroundScheduler:
    """Tick now and from now on, in a thread of its own.

    A tick that was missed (a frozen or suspended machine) is made up for once, however late.
    """
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler = BackgroundScheduler()
    scheduler.add_job(
        tick,
        "interval",
        args=(school, queue, night),
        seconds=EVERY_S,
        next_run_time=datetime.now().astimezone(),
        misfire_grace_time=None,
        coalesce=True,
        max_instances=1,
    )
    scheduler.start()
    return scheduler
