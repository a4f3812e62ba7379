"""The program that keeps the screen on, from all services with inhibitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightschool.jobs.desktop import dbus
from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.signals import x11
from nightschool.jobs.signals.linux_presenting import GNOME, KDE, Presenting
from nightschool.jobs.signals.signal import Signal
from tests.jobs.signals.compositor import Compositor
from tests.jobs.signals.peers import LOGIND, LOGIND_NAME, Peer

OWN_PID = 4242
MANAGER = "/org/gnome/SessionManager"
AGENT = "/org/kde/Solid/PowerManagement/PolicyAgent"


@pytest.fixture(autouse=True)
def no_x(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> None:
    monkeypatch.setattr(x11, "SOCKETS", short_path)


@pytest.fixture
def presenting(address: str) -> Iterator[Presenting]:
    session, system = BusClient("session", address), BusClient("system", address)
    yield Presenting(session, system, lambda: {OWN_PID})
    session.close()
    system.close()


def gnome(peer: Peer, *inhibitors: tuple[str, int]) -> None:
    paths = [f"{MANAGER}/Inhibitor{number}" for number in range(len(inhibitors))]
    peer.answers[MANAGER, "IsInhibited"] = ("b", (any(flags & 8 for _, flags in inhibitors),))
    peer.answers[MANAGER, "GetInhibitors"] = ("ao", (paths,))
    for path, (who, flags) in zip(paths, inhibitors, strict=True):
        peer.answers[path, "GetAppId"] = ("s", (who,))
        peer.answers[path, "GetFlags"] = ("u", (flags,))


@pytest.mark.parametrize(
    ("inhibitors", "who"),
    [
        ([], ""),
        ([("org.gnome.Totem", 8)], "org.gnome.Totem"),
        ([("backup", 4)], ""),
        ([("backup", 4), ("", 12)], "a program without a name"),
        ([("nightschool", 12)], ""),
        ([("nightschool", 12), ("firefox", 8)], "firefox"),
    ],
)
def test_gnome_names_the_program_that_keeps_the_screen_on(
    presenting: Presenting,
    new_peer: Callable[..., Peer],
    inhibitors: list[tuple[str, int]],
    who: str,
) -> None:
    gnome(new_peer(GNOME.bus_name), *inhibitors)
    assert presenting.read() == Signal(who, "GNOME session")


@pytest.mark.parametrize(
    ("has", "listed", "who"),
    [
        (False, [("Dolphin", "copies")], ""),
        (True, [("VLC", "plays")], "VLC"),
        (True, [("nightschool", "trains")], ""),
    ],
)
def test_kde_names_the_program_that_keeps_the_screen_on(
    presenting: Presenting,
    new_peer: Callable[..., Peer],
    has: bool,
    listed: list[tuple[str, str]],
    who: str,
) -> None:
    peer = new_peer(KDE.bus_name)
    peer.answers[AGENT, "HasInhibition"] = ("b", (has,))
    peer.answers[AGENT, "ListInhibitions"] = ("a(ss)", (listed,))
    assert presenting.read() == Signal(who, "KDE power management")


def test_logind_locks_of_others_count(
    presenting: Presenting, new_peer: Callable[..., Peer]
) -> None:
    peer = new_peer(LOGIND_NAME)
    ours = [
        ("idle", "a child", "", "block", 0, OWN_PID),
        ("idle", "Nightschool", "", "block", 0, 1),
    ]
    peer.answers[LOGIND, "ListInhibitors"] = ("a(ssssuu)", (ours,))
    assert presenting.read() == Signal("", "logind")
    film = ("idle:sleep", "mpv", "", "block", 0, 2)
    peer.answers[LOGIND, "ListInhibitors"] = ("a(ssssuu)", ([*ours, film],))
    assert presenting.read() == Signal("mpv", "logind")


def test_nobody_is_reported_with_the_sources_that_answered(
    presenting: Presenting, new_peer: Callable[..., Peer]
) -> None:
    gnome(new_peer(GNOME.bus_name))
    new_peer(LOGIND_NAME).answers[LOGIND, "ListInhibitors"] = ("a(ssssuu)", ([],))
    assert presenting.read() == Signal("", "GNOME session, logind")


def test_running_source_that_does_not_answer_makes_it_unknown(
    presenting: Presenting, new_peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbus, "LIMIT_S", 0.1)
    gnome(new_peer(GNOME.bus_name))
    peer = new_peer(LOGIND_NAME)
    peer.answers[LOGIND, "ListInhibitors"] = None
    for remark in (f"{LOGIND_NAME} did not answer within", "next attempt in 60 s"):
        reading = presenting.read()
        assert reading.value is None
        assert remark in reading.remark


def test_source_without_the_method_is_skipped(
    presenting: Presenting, new_peer: Callable[..., Peer]
) -> None:
    new_peer(GNOME.bus_name)  # some desktops only borrow the name
    new_peer(LOGIND_NAME).answers[LOGIND, "ListInhibitors"] = ("a(ssssuu)", ([],))
    assert presenting.read() == Signal("", "logind")


def test_nobody_presents_without_a_desktop(presenting: Presenting) -> None:
    assert presenting.read() == Signal("", "no desktop")


def test_desktop_without_any_answer_is_unknown(presenting: Presenting, short_path: Path) -> None:
    compositor = Compositor(short_path / "wayland-0")
    reading = presenting.read()
    assert (reading.value, reading.source) == (None, "desktop")
    assert f"{GNOME.bus_name} is not running" in reading.remark
    compositor.close()
