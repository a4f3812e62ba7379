"""Keep the computer awake while it trains, and no longer."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack

from nightschool.jobs.desktop.source_errors import AbsentError, RefusedError, SourceError

_log = logging.getLogger(__name__)


class Awake:
    """Keeps the computer awake between `hold` and `release`, which both return immediately.

    It takes two kinds of locks, because no system has both: the desktop's (wakepy: GNOME, KDE, Windows,
    macOS) and logind's (sway, no desktop). Both vanish with this process.
    """

    def __init__(self) -> None:
        self._holder: _LockHolder | None = None
        self._reported = ""

    @property
    def held_by(self) -> str:
        """What keeps the computer awake for us, such as "logind (sleep)"; "": nothing."""
        return self._holder.held_by if self._holder else ""

    def hold(self, why: str) -> str | None:
        """Keep the computer awake until `release`; may be called repeatedly.

        Returns None, or once, when no lock was granted, a line with the cause. A thread takes the
        locks, so that a later call returns the line.
        """
        if self._holder is None:
            self._holder = _LockHolder(why)
        problem = self._holder.problem
        if problem in ("", self._reported):
            return None
        self._reported = problem
        return problem

    def release(self) -> None:
        """Let the computer sleep again."""
        if self._holder is not None:
            self._holder.end()
            self._holder = None


class _LockHolder:
    """A thread that takes the locks, waits, and releases them; wakepy's locks belong to a thread."""

    def __init__(self, why: str) -> None:
        self.held_by = ""
        self.problem = ""
        self._ended = threading.Event()
        threading.Thread(target=self._run, args=(why,), name="awake", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _run(self, why: str) -> None:
        try:
            with ExitStack() as locks:
                self._take_locks(locks, why)
                self._ended.wait()
        except Exception as error:  # the service that held the lock has ended, and the lock with it
            _log.warning("letting the computer sleep again: %s", error)

    def _take_locks(self, locks: ExitStack, why: str) -> None:
        sources: list[Callable[[ExitStack, str], str]] = [_take_desktop_lock]
        if sys.platform == "linux":
            sources.append(_take_logind_lock)
        held, problems = [], []
        for take_lock in sources:
            try:
                held.append(take_lock(locks, why))
            except SourceError as error:
                problems.append(str(error))
        self.held_by = ", ".join(held)
        if not held:
            self.problem = f"the computer may fall asleep while it trains: {'; '.join(problems)}"


def _take_desktop_lock(locks: ExitStack, why: str) -> str:
    from wakepy import keep  # lazy: wakepy

    mode = locks.enter_context(keep.running(on_fail="pass"))
    if mode.active and mode.method:
        return str(mode.method.name)
    if sys.platform == "linux":
        raise AbsentError("neither GNOME nor KDE answers")
    methods = mode.result.list_methods(ignore_unused=True)
    raise RefusedError(
        "; ".join(f"{method.method_name}: {method.failure_reason}" for method in methods)
    )


def _take_logind_lock(locks: ExitStack, why: str) -> str:
    """A lock on sleep, or on idleness if only a local session may lock sleep.

    A `sleep` lock in mode `block` prevents automatic sleep and lets the screen turn off. Closing the lid
    ignores it (LidSwitchIgnoreInhibited), and before systemd 257 so does `systemctl suspend` of the same
    user. A shutdown is never locked.
    """
    from nightschool.jobs.desktop.dbus import BusClient  # lazy: jeepney
    from nightschool.jobs.desktop.inhibitor_locks import inhibit  # lazy: jeepney

    bus = locks.enter_context(BusClient("system", patient=True))
    try:
        lock, what = inhibit(bus, "sleep", why, "block"), "sleep"
    except RefusedError:
        lock, what = inhibit(bus, "idle", why, "block"), "idle"
    locks.callback(lock.release)
    return f"logind ({what})"
