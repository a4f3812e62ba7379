"""The parent process as a stage sees it: it receives progress and can request a stop."""

from __future__ import annotations

from typing import Protocol

from nightschool.stages.child_jobs import ClassifiedNote


class Parent(Protocol):
    """The interface that `tasks.channel` implements over a pipe, and tests in memory."""

    born: float
    """When the child process started, by the monotonic clock."""

    def should_stop(self) -> bool:
        """Whether the parent has asked for a stop at the next step border."""

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        """Report how far the stage is; `loss` in nats, `eta_s` in seconds."""

    def say(self, kind: str, message: str) -> None:
        """Add a line to the run's log."""

    def classified(self, note: ClassifiedNote) -> None:
        """Answer for one note of a `ClassifyJob`."""
