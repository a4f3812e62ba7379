"""Keep the computer awake while it trains, and not a moment longer."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack

from nightschool.jobs.desktop.source_errors import RefusedError, SourceError

_log = logging.getLogger(__name__)


class Awake:
    """One hold on the computer's wakefulness; `hold` and `release` return at once.

    Two kinds of locks are taken, because neither is known everywhere: the desktop's (wakepy: GNOME,
    KDE, Windows, macOS) and logind's (sway, no desktop at all). Both vanish with this process.
    """

    def __init__(self) -> None:
        self._hold: _Hold | None = None
        self._told = ""

    @property
    def held_by(self) -> str:
        """Who keeps the computer awake for us, as "logind (sleep)"; empty: nobody."""
        return self._hold.held_by if self._hold else ""

    def hold(self, why: str) -> str | None:
        """Keep the computer awake, as long as `release` does not come; call it as often as you like.

        Returns, once, what stands in the way if nobody keeps it awake (the locks are taken in a
        thread, so a later call tells), else None.
        """
        if self._hold is None:
            self._hold = _Hold(why)
        complaint = self._hold.complaint
        if complaint in ("", self._told):
            return None
        self._told = complaint
        return complaint

    def release(self) -> None:
        """Let the computer sleep when it likes."""
        if self._hold is not None:
            self._hold.end()
            self._hold = None


class _Hold:
    """One thread that takes the locks, waits, and gives them back: wakepy's belong to a thread."""

    def __init__(self, why: str) -> None:
        self.held_by = ""
        self.complaint = ""
        self._ended = threading.Event()
        threading.Thread(target=self._keep, args=(why,), name="awake", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _keep(self, why: str) -> None:
        try:
            with ExitStack() as locks:
                self._take(locks, why)
                self._ended.wait()
        except Exception as error:  # whoever held it has gone, and the lock with it
            _log.warning("letting the computer sleep again: %s", error)

    def _take(self, locks: ExitStack, why: str) -> None:
        takers: list[Callable[[ExitStack, str], str]] = [_from_desktop]
        if sys.platform == "linux":
            takers.append(_from_logind)
        held, refusals = [], []
        for take in takers:
            try:
                held.append(take(locks, why))
            except _Refused as refusal:
                refusals.append(str(refusal))
        self.held_by = ", ".join(held)
        if not held:
            self.complaint = f"the computer may fall asleep while it trains: {'; '.join(refusals)}"


class _Refused(Exception):
    """Who refused a lock, and why."""


def _from_desktop(locks: ExitStack, why: str) -> str:
    from wakepy import keep

    mode = locks.enter_context(keep.running(on_fail="pass"))
    if mode.active and mode.method:
        return str(mode.method.name)
    if sys.platform == "linux":
        raise _Refused("neither GNOME nor KDE answers")
    tried = mode.result.list_methods(ignore_unused=True)
    raise _Refused("; ".join(f"{one.method_name}: {one.failure_reason}" for one in tried))


def _from_logind(locks: ExitStack, why: str) -> str:
    """A lock on sleep itself; where only a local session may have that, one on being idle.

    A `sleep` lock in mode `block` holds off whatever would let the computer sleep by itself, and
    lets the screen go dark. It goes as soon as its owner returns, so it is not in their way; a
    closed lid does not ask it (LidSwitchIgnoreInhibited), nor, before systemd 257, does
    `systemctl suspend` of the same user. Never `shutdown`.
    """
    from nightschool.jobs.desktop.dbus import BusClient
    from nightschool.jobs.desktop.inhibitor_locks import inhibit

    try:
        bus = locks.enter_context(BusClient("system", patient=True))
        try:
            lock, what = inhibit(bus, "sleep", why, "block"), "sleep"
        except RefusedError:
            lock, what = inhibit(bus, "idle", why, "block"), "idle"
    except SourceError as error:
        raise _Refused(str(error)) from None
    locks.callback(lock.release)
    return f"logind ({what})"
