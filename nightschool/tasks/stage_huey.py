"""Huey for stages: validated messages, no schedule, no revocation, and a storage that may break at any time."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from huey import Huey
from huey.storage import BaseStorage, SqliteStorage
from pydantic import ValidationError

from nightschool.config import files
from nightschool.config.errors import first_line
from nightschool.config.recent_problems import RecentProblems
from nightschool.tasks.queue_errors import BROKEN, explained, is_damaged
from nightschool.tasks.stage_messages import StageMessageSerializer

MOST_MESSAGES = 1000
"""A school has a message for each open run; a queue with more than this is emptied."""
_RETRY_S = 1.0
_Value = TypeVar("_Value")
_log = logging.getLogger(__name__)


class StageHuey(Huey):  # type: ignore[misc]
    """The queue of a school. The ledger is the truth, so whatever is wrong with the queue is thrown away."""

    storage: BaseStorage

    def __init__(
        self, name: str, storage_class: type[BaseStorage], module: str, **storage: Any
    ) -> None:
        """`module` is where the tasks are defined."""
        self._renewing = threading.Lock()
        self._problems = RecentProblems()
        self.problem = ""
        """Why no message can be read, in one line with its remedy; "" if messages can be read."""
        serializer = StageMessageSerializer(module)
        super().__init__(
            name, results=False, serializer=serializer, storage_class=storage_class, **storage
        )

    @property
    def is_remote(self) -> bool:
        """Whether the queue is on a Redis server."""
        return "connection_pool" in self.storage_kwargs

    def create_storage(self) -> BaseStorage:
        """The storage; a file that is no queue is thrown away first. Raises what `BROKEN` lists."""
        try:
            return self._open_storage()
        except BROKEN as error:
            if self.is_remote or not is_damaged(error):
                raise
        self.remove_file()
        return self._open_storage()

    def _open_storage(self) -> BaseStorage:
        if issubclass(self.storage_class, SqliteStorage):
            files.make_database(Path(self.storage_kwargs["filename"]))
        return super().create_storage()

    def remove_file(self) -> None:
        """Remove the queue's file, or whatever is in its place, with SQLite's files beside it."""
        if issubclass(self.storage_class, SqliteStorage):
            remove_queue(Path(self.storage_kwargs["filename"]))

    def use(self, action: Callable[[BaseStorage], _Value]) -> _Value:
        """What `action` returns; a damaged queue is replaced by an empty one, and the action repeated.

        Raises what `BROKEN` lists.
        """
        storage = self.storage
        try:
            return action(storage)
        except BROKEN as error:
            if not is_damaged(error):
                raise
            self._renew(storage, error)
        return action(self.storage)

    def dequeue(self) -> Any:
        """The next task; None if there is none, or the queue is out of reach. Drops invalid messages."""
        try:
            task = self._next_task()
            self.problem = ""
            return task
        except BROKEN as error:
            problem = explained(error, redis=self.is_remote)
            self.problem = str(problem)
            if self._problems.is_new(problem.message):
                _log.warning("%s; retrying", problem)
            time.sleep(_RETRY_S)
        return None

    def is_revoked(self, *_: object, **__: object) -> bool:
        """Nobody revokes a stage: the ledger is asked. What the storage holds about it is never read."""
        return False

    def delete(self, key: str) -> bool:
        """Nothing: there are neither results nor revocations to delete."""
        return False

    def read_schedule(self, timestamp: object = None) -> list[object]:
        """Nothing is scheduled: `jobs.scheduler` decides when a stage is enqueued."""
        return []

    def _next_task(self) -> Any:
        while (data := self.use(lambda storage: storage.dequeue())) is not None:
            try:
                return self.deserialize_task(data)
            except ValidationError as error:
                if self._problems.is_new(first_line(error)):
                    _log.warning("dropped an invalid message from the queue: %s", first_line(error))
            if (count := self.use(lambda storage: storage.queue_size())) > MOST_MESSAGES:
                self.use(lambda storage: storage.flush_queue())
                _log.warning("emptied the queue: it held %d messages, not all of them valid", count)
        return None

    def _renew(self, damaged: BaseStorage, error: Exception) -> None:
        with self._renewing:
            if self.storage is not damaged:
                return  # another thread was faster
            if self._problems.is_new(first_line(error)):
                _log.warning("the queue is damaged (%s) and is made anew", first_line(error))
            if self.is_remote:
                damaged.flush_all()
                return
            with contextlib.suppress(*BROKEN):
                damaged.close()
            self.remove_file()
            self.storage = self.create_storage()


def remove_queue(file: Path) -> None:
    """Remove a queue file, or whatever is in its place, with SQLite's files beside it. Raises OSError."""
    for name in (file.name, *(f"{file.name}-{end}" for end in ("wal", "shm", "journal"))):
        files.remove(file.with_name(name))
