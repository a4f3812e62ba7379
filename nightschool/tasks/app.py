"""The Huey app of a school. A message says only "look at run N"; the ledger knows what to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from huey import Huey, RedisHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

from nightschool.config.paths import School


class JsonSerializer(Serializer):  # type: ignore[misc]
    """Messages as JSON: huey's default is pickle, which runs what a tampered queue file says."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        return Message(*json.loads(data))


@dataclass(frozen=True, slots=True)
class Queue:
    """The transport: a Huey instance and its one task."""

    huey: Huey
    look_at: Callable[[int], object]
    """Enqueue a look at a run: cheap, and harmless where there is nothing to do."""


def open_queue(school: School, url: str, advance: Callable[[int], bool] | None = None) -> Queue:
    """The school's queue: SQLite in its folder, or Redis where `url` names one.

    `advance` does one stage or chunk of a run and says whether more can be done at once;
    only a worker gives it.
    """
    options: dict[str, Any] = {"results": False, "serializer": JsonSerializer()}
    if url == "sqlite":
        school.state.mkdir(parents=True, exist_ok=True)
        huey: Huey = SqliteHuey("nightschool", filename=str(school.queue_file), **options)
    else:
        # One server may serve many schools.
        name = hashlib.sha256(str(school.root).encode()).hexdigest()[:12]
        huey = RedisHuey(f"nightschool-{name}", url=url, **options)

    def look_at(run: int) -> None:
        if advance is not None and advance(run):
            task(run)

    task = huey.task(name="look_at")(look_at)
    return Queue(huey, task)
