"""The readings of Windows.

Sources: Microsoft Learn (GetLastInputInfo, WTSINFOW, SYSTEM_POWER_STATUS,
QUERY_USER_NOTIFICATION_STATE). The decoding is tested; the calls were not run.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass

from nightschool.jobs.signals.session import NOBODY
from nightschool.jobs.signals.signal import Signal, unknown

_ACTIVE = 0  # WTSActive
_WTSINFO = struct.Struct("<II24x64x34x42s4xqqqqq")
_FULL_SCREEN = {
    2: "a full-screen program",  # QUNS_BUSY
    3: "a full-screen game",  # QUNS_RUNNING_D3D_FULL_SCREEN
    4: "presentation mode",  # QUNS_PRESENTATION_MODE
    7: "a full-screen app",  # QUNS_APP
}


def tick_idle_s(now_ms: int, last_ms: int) -> float:
    """Seconds between two 32-bit tick counts, which wrap around after 49.7 days."""
    return ((now_ms - last_ms) & 0xFFFFFFFF) / 1000


@dataclass(frozen=True, slots=True)
class WindowsSession:
    """A session from WTSINFOW. `idle_s` is None if Windows keeps no time of its last input."""

    number: int
    user: str
    active: bool
    idle_s: float | None


def session(info: bytes) -> WindowsSession:
    """Decode a WTSINFOW of 216 bytes, with times in units of 100 ns."""
    state, number, user, _, _, last_input, _, now = _WTSINFO.unpack_from(info)
    name = user.decode("utf-16-le", errors="replace").split("\0")[0]
    idle_s = (now - last_input) / 1e7 if 0 < last_input <= now else None
    return WindowsSession(number, name, state == _ACTIVE, idle_s)


def idle(own_number: int, own_idle_s: float, sessions: list[WindowsSession]) -> list[Signal[float]]:
    """The idle time of our session, and of every other active one."""
    if own_number == 0:
        return [
            unknown("Windows", "session 0 (a service) receives no input: start the worker at logon")
        ]
    signals = [Signal(own_idle_s, "GetLastInputInfo")]
    for other in sessions:
        if other.number == own_number or not other.active or not other.user:
            continue
        source = f"WTSQuerySessionInformation, session of {other.user}"
        if other.idle_s is None:
            signals.append(
                unknown(source, f"Windows has no input time of {other.user}, who is active")
            )
        else:
            signals.append(Signal(other.idle_s, source))
    return signals


def power(line: int, flag: int, percent: int) -> tuple[Signal[bool], Signal[float]]:
    """`on_ac` and `battery` from a SYSTEM_POWER_STATUS: 255 means unknown, flag 128 no battery."""
    if flag != 255 and flag & 128:
        return Signal(True, "no battery"), unknown("no battery", "this computer has none")
    source = "GetSystemPowerStatus"
    on_ac = (
        Signal(line == 1, source) if line in (0, 1) else unknown(source, "Windows reports no value")
    )
    is_known = 0 <= percent <= 100
    return on_ac, Signal(float(percent), source) if is_known else unknown(
        source, "Windows reports no value"
    )


def presenting(state: int) -> Signal[str]:
    """From a QUERY_USER_NOTIFICATION_STATE."""
    source = "SHQueryUserNotificationState"
    if not 1 <= state <= 7:
        return unknown(source, f"it answers {state}")
    return Signal(_FULL_SCREEN.get(state, ""), source)


def kind(remote: bool, own_number: int) -> Signal[str]:
    """The kind of the session in which the worker runs."""
    if own_number == 0:
        return Signal(NOBODY, "session 0 (a service)")
    return Signal("rdp" if remote else "local", "GetSystemMetrics")


if sys.platform == "win32":
    import ctypes
    import os
    from ctypes import wintypes

    from nightschool.jobs.signals.idle import smallest
    from nightschool.jobs.signals.polling import NamedSignals, Pids, Reading, uptime_s

    _SESSION_INFO = 24  # WTSSessionInfo
    _REMOTE_SESSION = 0x1000  # SM_REMOTESESSION

    class _LastInput(ctypes.Structure):
        _fields_ = (("size", wintypes.UINT), ("tick", wintypes.DWORD))

    class _SessionEntry(ctypes.Structure):
        _fields_ = (
            ("number", wintypes.DWORD),
            ("station", wintypes.LPWSTR),
            ("state", ctypes.c_int),
        )

    class _PowerStatus(ctypes.Structure):
        _fields_ = (
            ("line", ctypes.c_ubyte),
            ("flag", ctypes.c_ubyte),
            ("percent", ctypes.c_ubyte),
            ("saver", ctypes.c_ubyte),
            ("left_s", wintypes.DWORD),
            ("full_s", wintypes.DWORD),
        )

    def _checked(ok: int) -> None:
        if not ok:
            raise ctypes.WinError()

    def _own_number() -> int:
        number = wintypes.DWORD()
        _checked(ctypes.windll.kernel32.ProcessIdToSessionId(os.getpid(), ctypes.byref(number)))
        return number.value

    def _own_idle_s() -> float:
        last = _LastInput(ctypes.sizeof(_LastInput), 0)
        _checked(ctypes.windll.user32.GetLastInputInfo(ctypes.byref(last)))
        return tick_idle_s(ctypes.windll.kernel32.GetTickCount(), last.tick)

    def _others(own_number: int) -> list[WindowsSession]:
        """The other active sessions; the services' session is never active."""
        entries, count = ctypes.POINTER(_SessionEntry)(), wintypes.DWORD()
        wts = ctypes.windll.wtsapi32
        _checked(wts.WTSEnumerateSessionsW(None, 0, 1, ctypes.byref(entries), ctypes.byref(count)))
        try:
            listed = [entries[index] for index in range(count.value)]
            numbers = [entry.number for entry in listed if entry.state == _ACTIVE]
        finally:
            wts.WTSFreeMemory(entries)
        return [_queried(number) for number in numbers if number != own_number]

    def _queried(number: int) -> WindowsSession:
        data, size = ctypes.c_void_p(), wintypes.DWORD()
        wts = ctypes.windll.wtsapi32
        arguments = (None, number, _SESSION_INFO, ctypes.byref(data), ctypes.byref(size))
        if not wts.WTSQuerySessionInformationW(*arguments):
            return WindowsSession(number, "another user", active=True, idle_s=None)
        try:
            return session(ctypes.string_at(data, size.value))
        finally:
            wts.WTSFreeMemory(data)

    def _power() -> NamedSignals:
        status = _PowerStatus()
        _checked(ctypes.windll.kernel32.GetSystemPowerStatus(ctypes.byref(status)))
        on_ac, battery = power(status.line, status.flag, status.percent)
        return {"on_ac": on_ac, "battery": battery}

    def _slow() -> NamedSignals:
        state = ctypes.c_int()
        failed = ctypes.windll.shell32.SHQueryUserNotificationState(ctypes.byref(state))
        remote = bool(ctypes.windll.user32.GetSystemMetrics(_REMOTE_SESSION))
        return {
            "session": kind(remote, _own_number()),
            "presenting": presenting(0 if failed else state.value),
            "lid_closed": unknown("Windows", "only programs with a window receive the lid's state"),
        }

    def _idle() -> NamedSignals:
        own = _own_number()
        return {"idle_s": smallest(idle(own, _own_idle_s(), _others(own)), uptime_s())}

    def readings(own_pids: Pids) -> list[Reading]:
        """Readings of idle; of power; and of session, presenting and lid."""
        return [
            Reading(("idle_s",), _idle, every_s=0.0, rest_s=0.0),
            Reading(("on_ac", "battery"), _power, every_s=0.5, rest_s=0.5),
            Reading(("session", "presenting", "lid_closed"), _slow, every_s=3.0),
        ]
