"""Where a coming sleep is announced: the interface of the systems' sources."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class SuspendSource(Protocol):
    """A system's announcements of sleep and wake-up."""

    name: str
    delay_s: float
    """How long the computer waits for `allow_sleep`, in seconds."""
    remark: str
    """What does not work, for `why`."""

    def watch(self, report: Callable[[bool], None], closed: threading.Event) -> None:
        """Report the state at the start and every change (True before a sleep) until `closed`.

        Raises AbsentError if this computer announces no sleep, SourceError if the source was lost.
        """

    def allow_sleep(self) -> None:
        """Let the computer sleep now."""

    def stop_waiting(self) -> None:
        """Make `watch` return, after `closed` was set."""


class NoAnnouncements:
    """The source of a system whose sleep only the clocks reveal, afterwards."""

    name = "none"
    delay_s = 0.0
    remark = "this system does not announce a sleep; the clocks reveal it afterwards"

    def watch(self, report: Callable[[bool], None], closed: threading.Event) -> None:
        report(False)
        closed.wait()

    def allow_sleep(self) -> None:
        """Nothing delays a sleep."""

    def stop_waiting(self) -> None:
        """`watch` waits for `closed` only."""
