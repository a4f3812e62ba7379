"""The sources of the idle time, their order, and when it is unknown."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightschool.jobs.desktop import dbus
from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.signals import linux_idle, x11
from nightschool.jobs.signals.linux_idle import MUTTER, SCREEN_SAVER, Idle, by_hint
from nightschool.jobs.signals.logind import LogindSession
from nightschool.jobs.signals.signal import Signal
from tests.jobs.signals.compositor import Compositor
from tests.jobs.signals.peers import LOGIND_NAME, Peer, log_in

CORE = "/org/gnome/Mutter/IdleMonitor/Core"


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> None:
    """Hide the terminals and X servers of the computer that runs the tests; its uptime is ten days."""
    monkeypatch.setattr(linux_idle, "read_terminals", list)
    monkeypatch.setattr(x11, "SOCKETS", short_path)
    monkeypatch.setattr(linux_idle, "uptime_s", lambda: 864_000.0)
    monkeypatch.setattr(dbus, "LIMIT_S", 0.1)


@pytest.fixture
def idle(address: str) -> Iterator[Idle]:
    session, system = BusClient("session", address), BusClient("system", address)
    yield Idle(session, system)
    session.close()
    system.close()


@pytest.fixture
def mutter(new_peer: Callable[..., Peer]) -> Peer:
    peer = new_peer(MUTTER.bus_name)
    peer.answers[CORE, "GetIdletime"] = ("t", (90_500,))
    return peer


def test_gnome_reports_through_mutter(idle: Idle, mutter: Peer) -> None:
    assert idle.read() == Signal(90.5, "Mutter")


def test_typing_over_ssh_counts(idle: Idle, mutter: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux_idle, "read_terminals", lambda: [Signal(4.0, "terminal /dev/pts/1")])
    assert idle.read() == Signal(4.0, "terminal /dev/pts/1")


def test_kde_reports_milliseconds(idle: Idle, new_peer: Callable[..., Peer]) -> None:
    new_peer(SCREEN_SAVER.bus_name).answers["/ScreenSaver", "GetSessionIdleTime"] = ("u", (61_000,))
    assert idle.read() == Signal(61.0, "ScreenSaver")


def test_kde_on_wayland_reports_through_the_compositor(
    idle: Idle, new_peer: Callable[..., Peer], short_path: Path
) -> None:
    new_peer(SCREEN_SAVER.bus_name).answers["/ScreenSaver", "GetSessionIdleTime"] = ("u", (0,))
    compositor = Compositor(short_path / "wayland-0")
    assert idle.read() == Signal(0.0, "Wayland ext-idle-notify")
    compositor.tell(0)
    assert idle.read().value == pytest.approx(5, abs=1)
    compositor.close()


def test_compositor_without_idle_notify_is_unknown_despite_x11_and_kde(
    idle: Idle, new_peer: Callable[..., Peer], short_path: Path
) -> None:
    new_peer(SCREEN_SAVER.bus_name).answers["/ScreenSaver", "GetSessionIdleTime"] = ("u", (0,))
    compositor = Compositor(short_path / "wayland-0", "wl_seat")
    reading = idle.read()
    assert (reading.value, reading.source) == (None, "desktop")
    for reason in (
        "IdleMonitor is not running",
        "no ext-idle-notify",
        "X11 receives only part",
        "KDE's",
    ):
        assert reason in reading.remark
    compositor.close()


def test_logind_reports_if_the_desktop_does_not(idle: Idle, new_peer: Callable[..., Peer]) -> None:
    peer, since = new_peer(LOGIND_NAME), int((time.time() - 600) * 1e6)
    log_in(peer, {"uid": os.getuid(), "user": "ana", "IdleHint": True, "IdleSinceHint": since})
    reading = idle.read()
    assert reading.value == pytest.approx(600, abs=30)
    assert reading.source == "logind, session of ana"


def test_desktop_without_any_report_is_unknown(idle: Idle, new_peer: Callable[..., Peer]) -> None:
    log_in(new_peer(LOGIND_NAME), {"uid": os.getuid(), "user": "ana"})
    reading = idle.read()
    assert reading.value is None
    assert "the desktop of ana does not report idleness" in reading.remark


def test_active_user_of_another_session_counts(
    idle: Idle, mutter: Peer, new_peer: Callable[..., Peer]
) -> None:
    peer = new_peer(LOGIND_NAME)
    log_in(peer, {"uid": os.getuid(), "Active": False}, {"uid": os.getuid() + 1, "user": "bob"})
    assert idle.read().value is None
    log_in(
        peer, {"uid": os.getuid(), "Active": False},
        {"uid": os.getuid() + 1, "user": "bob", "IdleHint": False, "IdleSinceHint": 1},
    )  # fmt: skip
    assert idle.read() == Signal(0.0, "logind, session of bob")


def test_server_without_a_desktop_is_idle_since_boot(
    idle: Idle, new_peer: Callable[..., Peer]
) -> None:
    log_in(new_peer(LOGIND_NAME), {"uid": os.getuid(), "Type": "tty", "Remote": True})
    assert idle.read() == Signal(864_000.0, "no desktop")


def test_hanging_desktop_is_unknown(
    idle: Idle, mutter: Peer, new_peer: Callable[..., Peer]
) -> None:
    mutter.answers[CORE, "GetIdletime"] = None
    for people in (None, new_peer(LOGIND_NAME)):
        if people is not None:
            log_in(people)
        reading = idle.read()
        assert (reading.value, reading.source) == (None, "desktop")
        assert f"{MUTTER.bus_name} did not answer" in reading.remark


def test_computer_without_bus_and_desktop_is_idle_since_boot(short_path: Path) -> None:
    nowhere = f"unix:path={short_path / 'none'}"
    idle = Idle(BusClient("session", nowhere), BusClient("system", nowhere))
    assert idle.read() == Signal(864_000.0, "no desktop")


def test_desktop_without_any_bus_is_unknown(short_path: Path) -> None:
    nowhere = f"unix:path={short_path / 'none'}"
    idle = Idle(BusClient("session", nowhere), BusClient("system", nowhere))
    compositor = Compositor(short_path / "wayland-0", "wl_seat")
    reading = idle.read()
    assert reading.value is None
    assert "the system bus is unreachable" in reading.remark
    compositor.close()


@pytest.mark.parametrize(
    "answer",
    [None, ("s", ("garbage",)), ("t", (2**63,))],
    ids=["silence", "another type", "an age"],
)
def test_nonsense_from_a_desktop_is_unknown_or_skipped(
    idle: Idle,
    mutter: Peer,
    new_peer: Callable[..., Peer],
    answer: tuple[str, tuple[object]] | None,
) -> None:
    log_in(new_peer(LOGIND_NAME), {"uid": os.getuid(), "user": "ana"})
    mutter.answers[CORE, "GetIdletime"] = answer
    assert idle.read().value is None


def test_cleared_hint_means_idle_time_0() -> None:
    who = LogindSession(1, "ana", False, "", True, True, idle=False, idle_since=100.0)
    assert by_hint(who, now=5000.0).value == 0
