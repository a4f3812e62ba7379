"""Know before the computer sleeps, and have it wait until the training is gone.

CUDA often fails after a sleep, so its process must have ended before. Linux says so through logind
and waits for us, Windows through a callback; elsewhere a sleep is noticed afterwards, by the clocks.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import Protocol

from nightschool.jobs.signals.signal import Signal

RETRY_S = 60.0  # between two tries to reach a source that was lost
FIRST_WORD_S = 1.0  # for the first answer: in good health it takes milliseconds

_log = logging.getLogger(__name__)


class NoSource(Exception):
    """This computer does not say that it is about to sleep; why, in a few words."""


class LostSource(Exception):
    """The source does not answer any more; why, in a few words."""


class Source(Protocol):
    """Where the word comes from."""

    name: str
    delay_s: float
    """How long the computer waits for `ready`, in seconds."""
    remark: str
    """What does not work about it."""

    def watch(self, tell: Callable[[bool], None], closed: threading.Event) -> None:
        """Tell each change, and the state at the start, until `closed`.

        Raises NoSource or LostSource.
        """

    def let_sleep(self) -> None:
        """Nothing is left to wait for."""

    def wake_up(self) -> None:
        """`closed` was set: let `watch` return."""


class SuspendWatch:
    """Watches in a thread of its own, which waits for the source and does not poll."""

    def __init__(
        self,
        on_change: Callable[[bool], None] = lambda suspending: None,
        source: Source | None = None,
    ) -> None:
        """`on_change` is called in the watch's thread: True before a sleep, False after it.

        Where nothing trains it should call `ready` at once, so that its owner does not wait.
        """
        self._source = source or source_here()
        self._on_change = on_change
        self._closed = threading.Event()
        self._heard = threading.Event()
        self._seen = self._suspending = False
        self._signal: Signal[bool] = Signal(None, self._source.name, remark="not asked yet")
        self._thread = threading.Thread(target=self._run, name="suspend", daemon=True)
        self._thread.start()
        self._heard.wait(FIRST_WORD_S)

    @property
    def delay_s(self) -> float:
        """How long the computer waits for `ready` at most, in seconds; 0: not at all."""
        return self._source.delay_s

    def signal(self) -> Signal[bool]:
        """Whether the computer is about to sleep, or does. The word comes when it changes: no age."""
        return self._signal

    def ready(self) -> None:
        """The training is gone: let it sleep now. Does nothing while no sleep was announced."""
        if self._signal.value:
            self._source.let_sleep()

    def close(self) -> None:
        """End the watch and give back what holds a sleep up."""
        self._closed.set()
        self._source.wake_up()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._source.watch(self._tell, self._closed)
            except NoSource as reason:
                # What there is none of cannot have said anything; what was there has been lost.
                value = None if self._seen else False
                self._signal = Signal(value, self._source.name, remark=str(reason))
                self._changed(False)
            except LostSource as reason:
                self._signal = Signal(None, self._source.name, remark=str(reason))
                self._changed(False)
            self._heard.set()
            self._closed.wait(RETRY_S)

    def _tell(self, suspending: bool) -> None:
        self._seen = True
        self._signal = Signal(suspending, self._source.name, remark=self._source.remark)
        self._heard.set()
        self._changed(suspending)

    def _changed(self, suspending: bool) -> None:
        """Where nothing is heard any more, what was announced counts no longer."""
        before, self._suspending = self._suspending, suspending
        if suspending != before:
            try:
                self._on_change(suspending)
            except Exception as error:  # the listener's fault must not end the watch
                _log.warning("a sleep was not handled: %s", error)


class NeverTold:
    """A system that we do not ask."""

    name = "none"
    delay_s = 0.0
    remark = "this system does not say before it sleeps: the clocks tell afterwards"

    def watch(self, tell: Callable[[bool], None], closed: threading.Event) -> None:
        tell(False)
        closed.wait()

    def let_sleep(self) -> None:
        """Nothing is held up."""

    def wake_up(self) -> None:
        """`watch` waits for `closed` itself."""


def source_here() -> Source:
    """The source of this system."""
    if sys.platform == "linux":
        from nightschool.jobs.desktop.suspend_logind import LogindSource

        return LogindSource()
    if sys.platform == "win32":
        from nightschool.jobs.desktop.suspend_windows import WindowsSource

        return WindowsSource()
    return NeverTold()
