"""The signal that the computer is about to sleep, and the delay of a sleep until training has stopped.

CUDA often fails after a sleep, so the training process must end before. Linux announces a sleep through
logind and waits for us, Windows through a callback; elsewhere the clocks reveal a sleep afterwards.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

from nightschool.jobs.desktop.source_errors import AbsentError, SourceError
from nightschool.jobs.signals.signal import Signal
from nightschool.jobs.signals.suspend_source import NoAnnouncements, SuspendSource

RETRY_S = 60.0  # between two attempts to reach a source that was lost
FIRST_REPORT_S = 1.0  # a healthy source takes milliseconds

_log = logging.getLogger(__name__)


class SuspendWatch:
    """Watches the system's source in a thread, which waits and does not poll."""

    def __init__(
        self,
        on_change: Callable[[bool], None] = lambda suspending: None,
        source: SuspendSource | None = None,
    ) -> None:
        """`on_change` runs in the watch's thread, with True before a sleep and False after it."""
        self._source = source or system_source()
        self._on_change = on_change
        self._closed = threading.Event()
        self._first_report = threading.Event()
        self._was_reached = self._suspending = False
        self._signal: Signal[bool] = Signal(None, self._source.name, remark="no report yet")
        self._thread = threading.Thread(target=self._run, name="suspend", daemon=True)
        self._thread.start()
        self._first_report.wait(FIRST_REPORT_S)

    @property
    def delay_s(self) -> float:
        """How long the computer waits for `ready`, in seconds; 0: not at all."""
        return self._source.delay_s

    def signal(self) -> Signal[bool]:
        """Whether the computer is about to sleep, or sleeps. Changes are pushed, so its age is 0."""
        return self._signal

    def ready(self) -> None:
        """Let the computer sleep now: nothing trains. Does nothing unless a sleep was announced."""
        if self._signal.value:
            self._source.allow_sleep()

    def close(self) -> None:
        """End the watch and any delay of a sleep."""
        self._closed.set()
        self._source.stop_waiting()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._source.watch(self._report, self._closed)
            except AbsentError as error:
                # A source that never existed has announced nothing; one that did exist was lost.
                self._set_unreachable(None if self._was_reached else False, error)
            except SourceError as error:
                self._set_unreachable(None, error)
            self._first_report.set()
            self._closed.wait(RETRY_S)

    def _set_unreachable(self, value: bool | None, error: SourceError) -> None:
        self._signal = Signal(value, self._source.name, remark=str(error))
        self._set_suspending(False)  # an announcement from a lost source no longer counts

    def _report(self, suspending: bool) -> None:
        self._was_reached = True
        self._signal = Signal(suspending, self._source.name, remark=self._source.remark)
        self._first_report.set()
        self._set_suspending(suspending)

    def _set_suspending(self, suspending: bool) -> None:
        before, self._suspending = self._suspending, suspending
        if suspending != before:
            try:
                self._on_change(suspending)
            except Exception as error:  # a listener's fault must not end the watch
                _log.warning("the announcement of a sleep was not handled: %s", error)


def system_source() -> SuspendSource:
    """The source of the system that this runs on."""
    if sys.platform == "linux":
        from nightschool.jobs.signals.suspend_logind import LogindSuspend  # lazy: jeepney

        return LogindSuspend()
    if sys.platform == "win32":
        from nightschool.jobs.signals.suspend_windows import WindowsSuspend  # lazy: Windows only

        return WindowsSuspend()
    return NoAnnouncements()
