"""Notifications through a service on a private bus, and through other systems' tools."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jeepney import Message

from nightschool.jobs.desktop import dbus
from nightschool.jobs.desktop.notifications import notify
from tests.jobs.bus import OK, FakeService, PrivateBus, ServiceFault, listener, needs_bus

pytestmark = pytest.mark.usefixtures("no_bus")

TEXT = "夜 <b>3</b> & more"


class FakeNotifications(FakeService):
    def __init__(self, bus: PrivateBus, *capabilities: str, refuses: bool = False) -> None:
        self.shown: list[tuple[Any, ...]] = []
        self._capabilities, self._refuses = list(capabilities), refuses
        super().__init__(
            bus,
            "org.freedesktop.Notifications",
            {
                "GetCapabilities": lambda message: ("as", (self._capabilities,)),
                "Notify": self._show,
            },
        )

    def _show(self, message: Message) -> tuple[str, tuple[Any, ...]]:
        if self._refuses:
            raise ServiceFault("org.freedesktop.Notifications.Error.Excess", "too many")
        self.shown.append(message.body)
        return "u", (1,)


@needs_bus
@pytest.mark.parametrize(
    ("capabilities", "body"),
    [(("body",), TEXT), (("body", "body-markup"), "夜 &lt;b&gt;3&lt;/b&gt; &amp; more")],
)
def test_notification_is_plain_text_and_persistent(
    session_bus: PrivateBus, capabilities: tuple[str, ...], body: str
) -> None:
    desktop = FakeNotifications(session_bus, *capabilities)
    assert notify("Your model is better", TEXT) is None
    [(program, _, _, title, text, actions, hints, timeout)] = desktop.shown
    assert (program, title, text) == ("nightschool", "Your model is better", body)
    assert (actions, hints["urgency"], timeout) == ([], ("y", 1), 0)


@needs_bus
def test_session_bus_is_found_without_its_address(
    session_bus: PrivateBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = FakeNotifications(session_bus)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session_bus.socket.parent))
    assert notify("a", "b") is None and len(desktop.shown) == 1


@needs_bus
def test_bus_without_a_desktop_is_a_problem(session_bus: PrivateBus) -> None:
    reason = notify("a", "b")
    assert reason and "no desktop that shows notifications" in reason and "\n" not in reason


@needs_bus
def test_desktop_that_refuses_is_a_problem(session_bus: PrivateBus) -> None:
    FakeNotifications(session_bus, refuses=True)
    assert notify("a", "b") == (
        "no desktop that shows notifications: "
        "org.freedesktop.Notifications refused Notify: Excess (too many)"
    )


@needs_bus
def test_silent_bus_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus, "PATIENT_LIMIT_S", 0.05)
    with listener(tmp_path / "s", AUTH=OK, NEGOTIATE=b"AGREE_UNIX_FD\r\n") as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        assert (notify("a", "b") or "").endswith(
            "the session bus does not answer (no answer in time)"
        )


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (None, "DBUS_SESSION_BUS_ADDRESS is not set"),
        ("unix:path=/nowhere", "No such file"),
        ("tcp:host=x", "not supported"),
        ("rubbish", "the session bus is unreachable"),
    ],
)
def test_missing_session_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, address: str | None, problem: str
) -> None:
    if address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    reason = notify("a", "b")
    assert reason and problem in reason


def test_macos_receives_the_text_as_arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The text never becomes part of the script."""
    received = tmp_path / "received.json"
    tool = tmp_path / "osascript"
    tool.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"json.dump(sys.argv[1:], open({str(received)!r}, 'w'))\n"
        "if 'fails' in sys.argv: sys.exit('execution error: no (-600)')\n"
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "darwin")
    hostile = 'x" & (do shell script "id") & "'
    assert notify("Better", hostile) is None
    arguments = json.loads(received.read_text("utf-8"))
    assert arguments[-2:] == ["Better", hostile]
    assert "do shell script" not in "".join(arguments[:-1])
    assert (notify("fails", "") or "").endswith("execution error: no (-600)")
    tool.unlink()
    assert "osascript" in (notify("a", "b") or "")


def test_windows_names_the_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "desktop_notifier.sync", None)
    assert 'pip install "nightschool[notify]"' in (notify("a", "b") or "")


def test_windows_shows_the_notification_with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, str, str]] = []

    class DesktopNotifierSync:
        def __init__(self, app_name: str) -> None:
            self.app_name = app_name

        def send(self, title: str, message: str) -> None:
            if title == "fails":
                raise OSError("no notification centre")
            shown.append((self.app_name, title, message))

    package, sync = ModuleType("desktop_notifier"), ModuleType("desktop_notifier.sync")
    sync.DesktopNotifierSync = DesktopNotifierSync  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "desktop_notifier", package)
    monkeypatch.setitem(sys.modules, "desktop_notifier.sync", sync)
    monkeypatch.setattr(sys, "platform", "win32")
    assert notify("Better", TEXT) is None and shown == [("nightschool", "Better", TEXT)]
    assert "no notification centre" in (notify("fails", "") or "")
