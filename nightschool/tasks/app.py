"""The Huey app of a school: one task per stage, each for one message "stage X of run N".

The ledger decides what a message does: one that is stale or repeated does nothing, and the scheduler
enqueues the stage of one that is lost again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from huey import Huey
from huey import signals as huey_signals
from huey.storage import PriorityRedisStorage, SqliteStorage
from pydantic import ValidationError
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from nightschool.config.errors import LedgerError, QueueError
from nightschool.config.paths import School
from nightschool.ledger.foreign_schema import is_foreign
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Run, StageName
from nightschool.tasks.queue_errors import BROKEN, explained
from nightschool.tasks.stage_huey import MOST_MESSAGES, StageHuey, remove_queue
from nightschool.tasks.stage_messages import PRIORITY_OF, TASK_OF, StageMessage

Perform = Callable[[int, StageName], bool]
"""Performs a stage of a run, or a chunk of it; returns whether more of the run can follow now."""

_CONNECT_LIMIT_S = 3.0
_ANSWER_LIMIT_S = 5.0  # longer than a worker waits for a message
_SIGNAL_LEVELS = {
    huey_signals.SIGNAL_ENQUEUED: logging.DEBUG,
    huey_signals.SIGNAL_EXECUTING: logging.INFO,
    huey_signals.SIGNAL_COMPLETE: logging.INFO,
    huey_signals.SIGNAL_ERROR: logging.ERROR,
    huey_signals.SIGNAL_INTERRUPTED: logging.WARNING,
}
_log = logging.getLogger(__name__)


class StageQueue:
    """The queue of a school. `enqueue_due` puts messages into it; a worker's consumer performs them."""

    def __init__(self, school: School, huey: StageHuey, perform: Perform | None = None) -> None:
        """Only a worker gives `perform`."""
        self.huey = huey
        self._school, self._perform = school, perform
        self._tasks = define_tasks(huey, self._advance)
        huey.signal(*_SIGNAL_LEVELS)(_log_signal)

    def enqueue(self, run: Run, stage: StageName) -> None:
        """Enqueue a message, of a higher priority if the run is to work now. Raises QueueError."""
        with self._explained():
            self.huey.use(lambda _: self._tasks[stage](run.id, priority=PRIORITY_OF[run.timing]))

    def is_waiting(self, run: int, stage: StageName) -> bool:
        """Whether a message for a stage of a run waits in the queue. Raises QueueError."""
        with self._explained():
            if self.huey.use(lambda storage: storage.queue_size()) > MOST_MESSAGES:
                self.huey.use(lambda storage: storage.flush_queue())
            items = self.huey.use(lambda storage: storage.enqueued_items())
        return any(_is_for(item, run, stage) for item in items)

    def count(self) -> int:
        """The number of messages that wait. Raises QueueError."""
        with self._explained():
            return int(self.huey.use(lambda storage: storage.queue_size()))

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self.huey.storage.close()

    @property
    def problem(self) -> str:
        """Why a worker's consumer cannot read messages, in one line with its remedy; "" if it can."""
        return self.huey.problem

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BROKEN as error:
            raise explained(error, redis=self.huey.is_remote) from None

    def _advance(self, run: int, stage: StageName) -> None:
        """Perform a stage, and enqueue what comes next."""
        if self._perform is None:
            raise RuntimeError("only a worker performs tasks")
        if self._perform(run, stage):
            try:
                with Ledger(self._school.ledger_file) as ledger:
                    enqueue_due(self, ledger, run)
            except (LedgerError, QueueError) as error:
                _log.warning("%s; the scheduler will enqueue the next stage of run %d", error, run)


def define_tasks(
    huey: Huey, advance: Callable[[int, StageName], None]
) -> dict[StageName, Callable[..., object]]:
    """Register a task for each stage; calling one enqueues it."""
    task: Callable[[Callable[[int], None]], Callable[..., object]] = huey.task()

    @task
    def prep(run: int) -> None:
        """Freeze the notes into a dataset, and download the base model if it is not on disk."""
        advance(run, StageName.PREP)

    @task
    def baseline(run: int) -> None:
        """Score the untouched base model on the test notes."""
        advance(run, StageName.BASELINE)

    @task
    def train_chunk(run: int) -> None:
        """Train for one chunk: a bounded stretch of optimizer steps in one child process."""
        advance(run, StageName.TRAIN)

    @task
    def evaluate(run: int) -> None:
        """Score the adapter on the test notes."""
        advance(run, StageName.EVALUATE)

    @task
    def compare(run: int) -> None:
        """Compare before and after, decide whether to promote, and write the report."""
        advance(run, StageName.COMPARE)

    tasks = (prep, baseline, train_chunk, evaluate, compare)
    return dict(zip(StageName, tasks, strict=True))


def open_queue(school: School, url: str, perform: Perform | None = None) -> StageQueue:
    """The school's queue: SQLite in its folder, or the Redis server at `url`. Raises QueueError.

    A worker, which gives `perform`, begins with an empty file: whatever is due it enqueues itself.
    """
    try:
        if url == "sqlite":
            if perform or is_foreign(school.queue_file):
                remove_queue(school.queue_file)
            # A write-ahead log would map a file into memory, and whoever truncated that would crash us.
            huey = StageHuey(
                "nightschool", SqliteStorage, __name__, filename=str(school.queue_file),
                journal_mode="delete",
            )  # fmt: skip
        else:
            # One server may serve several schools. Version 0.1.0 kept a list under another name.
            name = hashlib.sha256(str(school.root).encode()).hexdigest()[:12]
            pool = ConnectionPool.from_url(
                url,
                socket_connect_timeout=_CONNECT_LIMIT_S,
                socket_timeout=_ANSWER_LIMIT_S,
                retry=Retry(NoBackoff(), 0),  # whoever asks retries, and must not wait for long
            )
            huey = StageHuey(
                f"nightschool-stages-{name}", PriorityRedisStorage, __name__, connection_pool=pool
            )
    except BROKEN as error:
        raise explained(error, redis=url != "sqlite") from None
    return StageQueue(school, huey, perform)


def enqueue_due(queue: StageQueue, ledger: Ledger, run: int) -> bool:
    """Enqueue the stage of a run that is due, unless its message waits already; returns whether it did.

    A stage is due if its run is queued: neither at work nor closed. Requests, the scheduler and each task
    call this after they have changed the ledger. Raises QueueError, LedgerError.
    """
    stage = ledger.due_stage(run)
    if stage is None or queue.is_waiting(run, stage):
        return False
    queue.enqueue(ledger.run(run), stage)
    return True


def _is_for(item: bytes, run: int, stage: StageName) -> bool:
    try:
        message = StageMessage.model_validate_json(bytes(item))
    except ValidationError:
        return False  # the worker will drop it
    return (message.run, message.task) == (run, TASK_OF[stage])


def _log_signal(signal: str, task: Any, *details: object) -> None:
    detail = f" ({details[0]!r})" if details else ""
    _log.log(_SIGNAL_LEVELS[signal], "%s of run %s: %s%s", task.name, *task.args, signal, detail)
