"""The messages of the queue: "stage X of run N", as JSON and validated when they are read.

Huey's default is pickle, which executes whatever a tampered queue file contains.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from huey.registry import Message
from huey.serializer import Serializer
from pydantic import BaseModel, ConfigDict, Field

from nightschool.ledger.records import StageName, Timing


class TaskName(StrEnum):
    """The Huey tasks, in the order of the stages that they perform."""

    PREP = "prep"
    BASELINE = "baseline"
    TRAIN_CHUNK = "train_chunk"
    EVALUATE = "evaluate"
    COMPARE = "compare"


TASK_OF = dict(zip(StageName, TaskName, strict=True))
PRIORITY_OF = {Timing.NOW: 10, Timing.TONIGHT: 0}
"""Huey performs messages of a higher priority first."""


class StageMessage(BaseModel):
    """A message as the queue stores it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    id: str
    task: TaskName
    run: Annotated[int, Field(gt=0, lt=2**31)]
    priority: int = 0


class StageMessageSerializer(Serializer):  # type: ignore[misc]
    """Translates between Huey's messages and `StageMessage`."""

    def __init__(self, module: str) -> None:
        """`module` is where the tasks are defined: Huey's names start with it."""
        super().__init__()
        self._module = module

    def _serialize(self, data: Message) -> bytes:
        (run,) = data.args
        task = TaskName(data.name.removeprefix(f"{self._module}."))
        message = StageMessage(id=data.id, task=task, run=run, priority=data.priority or 0)
        return message.model_dump_json().encode()

    def _deserialize(self, data: bytes) -> Message:
        """Raises pydantic.ValidationError. What a message cannot express, such as retries, stays unset."""
        message = StageMessage.model_validate_json(bytes(data))
        return Message(
            id=message.id,
            name=f"{self._module}.{message.task}",
            priority=message.priority,
            args=(message.run,),
            kwargs={},
        )
