"""Windows' suspend and resume notifications, through a callback that Windows waits for.

Sources: PowerRegisterSuspendResumeNotification (powerbase.h), DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS,
WM_POWERBROADCAST. Windows gives a program about two seconds.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable

from nightschool.jobs.desktop.source_errors import AbsentError

DEVICE_NOTIFY_CALLBACK = 2
PBT_APMSUSPEND = 0x4
PBT_APMRESUMESUSPEND = 0x7
PBT_APMRESUMEAUTOMATIC = 0x12


def is_suspending(event: int) -> bool | None:
    """Whether a power event comes before a sleep (True), after it (False), or is another (None)."""
    if event == PBT_APMSUSPEND:
        return True
    if event in (PBT_APMRESUMESUSPEND, PBT_APMRESUMEAUTOMATIC):
        return False
    return None


class WindowsSuspend:
    """See `SuspendSource`."""

    name = "PowerRegisterSuspendResumeNotification"
    delay_s = 2.0
    remark = ""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._report: Callable[[bool], None] = lambda suspending: None

    def on_event(self, event: int) -> None:
        """Handle a power event; returns when the computer may proceed."""
        suspending = is_suspending(event)
        if suspending is None:
            return
        self._ready.clear()
        self._report(suspending)
        if suspending:
            self._ready.wait(self.delay_s)

    def allow_sleep(self) -> None:
        self._ready.set()

    def stop_waiting(self) -> None:
        self._ready.set()

    def watch(self, report: Callable[[bool], None], closed: threading.Event) -> None:
        self._report = report
        if sys.platform != "win32":
            raise AbsentError("this is not Windows")
        routine = ctypes.WINFUNCTYPE(
            ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p
        )

        class Parameters(ctypes.Structure):
            _fields_ = (("callback", routine), ("context", ctypes.c_void_p))

        def callback(context: int, event: int, setting: int) -> int:
            self.on_event(event)
            return 0

        parameters = Parameters(routine(callback), None)  # kept alive by this frame
        powrprof = ctypes.WinDLL("powrprof")
        handle = ctypes.c_void_p()
        error_code = powrprof.PowerRegisterSuspendResumeNotification(
            DEVICE_NOTIFY_CALLBACK, ctypes.byref(parameters), ctypes.byref(handle)
        )
        if error_code:
            raise AbsentError(f"Windows refused the notification (error {error_code})")
        try:
            report(False)
            closed.wait()
        finally:
            powrprof.PowerUnregisterSuspendResumeNotification(handle)
