"""A notification on the owner's desktop; where there is none, a reason and nothing else."""

from __future__ import annotations

import html
import subprocess
import sys

from nightschool.jobs.desktop.source_errors import SourceError

_NONE = "no desktop that shows notifications"


def notify(title: str, text: str) -> str | None:
    """Show a notification that stays until it is seen; None: it is shown, else why not.

    Linux is asked over D-Bus and macOS through its osascript. Windows needs desktop-notifier
    (`pip install "nightschool[notify]"`), which macOS hears only from an app bundle.
    """
    if sys.platform == "win32":
        return _desktop_notifier(title, text)
    if sys.platform == "darwin":
        return _osascript(title, text)
    return _freedesktop(title, text)


def _freedesktop(title: str, text: str) -> str | None:
    """Desktop Notifications Specification 1.2; its text is markup where the service says so."""
    from jeepney import DBusAddress

    from nightschool.jobs.desktop.dbus import BusClient

    service = DBusAddress(
        "/org/freedesktop/Notifications",
        bus_name="org.freedesktop.Notifications",
        interface="org.freedesktop.Notifications",
    )
    try:
        with BusClient("session", patient=True) as bus:
            [abilities] = bus.call(service, "GetCapabilities", "as")
            body = html.escape(text, quote=False) if "body-markup" in abilities else text
            hints = {"urgency": ("y", 1), "category": ("s", "transfer.complete")}
            # 0 at the end: no timeout, for it comes while its owner sleeps.
            content: tuple[object, ...] = ("nightschool", 0, "", title, body, [], hints, 0)
            bus.call(service, "Notify", "u", "susssasa{sv}i", *content)
    except SourceError as error:
        return f"{_NONE}: {error}"
    return None


def _osascript(title: str, text: str) -> str | None:
    script = (
        "on run {theTitle, theText}",
        "display notification theText with title theTitle",
        "end run",
    )
    lines = [word for line in script for word in ("-e", line)]
    try:
        done = subprocess.run(
            ["osascript", *lines, title, text],
            capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{_NONE}: {error}"
    return f"{_NONE}: {done.stderr.strip() or 'osascript failed'}" if done.returncode else None


def _desktop_notifier(title: str, text: str) -> str | None:
    try:
        from desktop_notifier.sync import DesktopNotifierSync
    except ImportError:
        return 'notifications need one more package here: pip install "nightschool[notify]"'
    try:
        DesktopNotifierSync(app_name="nightschool").send(title=title, message=text)
    except Exception as error:  # whatever the system's own service raises
        return f"{_NONE}: {error}"
    return None
