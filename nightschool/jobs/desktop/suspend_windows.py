"""Windows' suspend and resume notifications, through a callback that Windows waits for.

Source: PowerRegisterSuspendResumeNotification (powerbase.h), DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS,
WM_POWERBROADCAST. Windows gives a program about two seconds.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable

from nightschool.jobs.desktop.suspend import NoSource

DEVICE_NOTIFY_CALLBACK = 2
PBT_APMSUSPEND = 0x4
PBT_APMRESUMESUSPEND = 0x7
PBT_APMRESUMEAUTOMATIC = 0x12


def suspending(event: int) -> bool | None:
    """What a power event says: True before a sleep, False after it, None: neither."""
    if event == PBT_APMSUSPEND:
        return True
    if event in (PBT_APMRESUMESUSPEND, PBT_APMRESUMEAUTOMATIC):
        return False
    return None


class WindowsSource:
    """See `suspend.Source`."""

    name = "PowerRegisterSuspendResumeNotification"
    delay_s = 2.0
    remark = ""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._tell: Callable[[bool], None] = lambda asleep: None

    def on_event(self, event: int) -> None:
        """A power event; returns when the computer may go on with it."""
        asleep = suspending(event)
        if asleep is None:
            return
        self._ready.clear()
        self._tell(asleep)
        if asleep:
            self._ready.wait(self.delay_s)

    def let_sleep(self) -> None:
        self._ready.set()

    def wake_up(self) -> None:
        self._ready.set()

    def watch(self, tell: Callable[[bool], None], closed: threading.Event) -> None:
        self._tell = tell
        if sys.platform != "win32":
            raise NoSource("this is not Windows")
        routine = ctypes.WINFUNCTYPE(
            ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p
        )

        class Parameters(ctypes.Structure):
            _fields_ = (("callback", routine), ("context", ctypes.c_void_p))

        def called(context: int, event: int, setting: int) -> int:
            self.on_event(event)
            return 0

        parameters = Parameters(routine(called), None)  # kept alive by this frame
        powrprof = ctypes.WinDLL("powrprof")
        handle = ctypes.c_void_p()
        refused = powrprof.PowerRegisterSuspendResumeNotification(
            DEVICE_NOTIFY_CALLBACK, ctypes.byref(parameters), ctypes.byref(handle)
        )
        if refused:
            raise NoSource(f"Windows refused the notification (error {refused})")
        try:
            tell(False)
            closed.wait()
        finally:
            powrprof.PowerUnregisterSuspendResumeNotification(handle)
