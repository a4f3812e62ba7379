"""A notification on the desktop, if there is one."""

from __future__ import annotations

import html
import subprocess
import sys

from nightschool.config.current_folder import program
from nightschool.jobs.desktop.source_errors import SourceError

_UNAVAILABLE = "no desktop that shows notifications"


def notify(title: str, text: str) -> str | None:
    """Show a notification that stays until it is seen. Returns None, or why it could not be shown.

    Linux shows it through D-Bus, macOS through osascript. Windows needs desktop-notifier
    (`pip install "nightschool[notify]"`), which on macOS works only in an app bundle.
    """
    if sys.platform == "win32":
        return _desktop_notifier(title, text)
    if sys.platform == "darwin":
        return _osascript(title, text)
    return _freedesktop(title, text)


def _freedesktop(title: str, text: str) -> str | None:
    """Desktop Notifications Specification 1.2. The text is markup if the service has that capability."""
    from jeepney import DBusAddress  # lazy: jeepney

    from nightschool.jobs.desktop.dbus import BusClient  # lazy: jeepney

    service = DBusAddress(
        "/org/freedesktop/Notifications",
        bus_name="org.freedesktop.Notifications",
        interface="org.freedesktop.Notifications",
    )
    try:
        with BusClient("session", patient=True) as bus:
            [capabilities] = bus.call(service, "GetCapabilities", "as")
            body = html.escape(text, quote=False) if "body-markup" in capabilities else text
            hints = {"urgency": ("y", 1), "category": ("s", "transfer.complete")}
            # The last value is the timeout, 0 for none: the owner may still be asleep.
            content: tuple[object, ...] = ("nightschool", 0, "", title, body, [], hints, 0)
            bus.call(service, "Notify", "u", "susssasa{sv}i", *content)
    except SourceError as error:
        return f"{_UNAVAILABLE}: {error}"
    return None


def _osascript(title: str, text: str) -> str | None:
    script = (
        "on run {theTitle, theText}",
        "display notification theText with title theTitle",
        "end run",
    )
    tool = program("osascript")
    if tool is None:
        return f"{_UNAVAILABLE}: no osascript"
    script_arguments = [word for line in script for word in ("-e", line)]
    try:
        done = subprocess.run(
            [tool, *script_arguments, title, text],
            capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{_UNAVAILABLE}: {error}"
    return (
        f"{_UNAVAILABLE}: {done.stderr.strip() or 'osascript failed'}" if done.returncode else None
    )


def _desktop_notifier(title: str, text: str) -> str | None:
    try:
        from desktop_notifier.sync import DesktopNotifierSync  # lazy: desktop-notifier
    except ImportError:
        return 'notifications on Windows need another package: pip install "nightschool[notify]"'
    try:
        DesktopNotifierSync(app_name="nightschool").send(title=title, message=text)
    except Exception as error:  # the library documents no exceptions
        return f"{_UNAVAILABLE}: {error}"
    return None
