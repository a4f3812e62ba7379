"""logind's D-Bus interface, on a private bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals import logind
from tests.jobs.signals.peers import LOGIND, LOGIND_NAME, Peer, log_in


@pytest.fixture
def bus(address: str) -> Iterator[BusClient]:
    bus = BusClient("system", address)
    yield bus
    bus.close()


@pytest.fixture
def peer(new_peer: Callable[..., Peer]) -> Peer:
    return new_peer(LOGIND_NAME)


def test_only_sessions_of_people_count(bus: BusClient, peer: Peer) -> None:
    log_in(
        peer,
        {"user": "ana", "IdleHint": True, "IdleSinceHint": 5_000_000},
        {"user": "gdm", "Class": "greeter"},
        {"user": "backup", "Class": "background"},
        {"user": "bob", "Type": "tty", "Remote": True, "Service": "sshd"},
        {"user": "cleo", "Service": "xrdp-sesman", "Type": "x11"},
        {"user": "gone", "State": "closing"},
    )
    people = logind.sessions(bus)
    assert [(person.user, person.kind(), person.graphical) for person in people] == [
        ("ana", "local", True),
        ("bob", "ssh", False),
        ("cleo", "rdp", True),
    ]
    assert (people[0].idle, people[0].idle_since) == (True, 5.0)


def test_session_without_properties_is_skipped(bus: BusClient, peer: Peer) -> None:
    peer.answers[LOGIND, "ListSessions"] = (
        "a(susso)",
        ([("1", 0, "x", "", f"{LOGIND}/session/_1")],),
    )
    assert logind.sessions(bus) == []


def test_only_blocking_idle_locks_are_inhibitors(bus: BusClient, peer: Peer) -> None:
    listed = [
        ("sleep", "NetworkManager", "", "delay", 0, 1),
        ("sleep:shutdown", "apt", "", "block", 0, 2),
        ("sleep:idle", "a film", "", "block", 1000, 3),
        ("idle", "a hint", "", "delay", 1000, 4),
    ]
    peer.answers[LOGIND, "ListInhibitors"] = ("a(ssssuu)", (listed,))
    assert logind.idle_inhibitors(bus) == [("a film", 3)]


def test_lid(bus: BusClient, peer: Peer) -> None:
    peer.answers[LOGIND, "LidClosed"] = ("b", (True,))
    assert logind.lid_closed(bus) is True


def test_sessions_of_the_wrong_type_are_an_error(bus: BusClient, peer: Peer) -> None:
    peer.answers[LOGIND, "ListSessions"] = ("as", (["x"],))
    with pytest.raises(SourceError, match="answered ListSessions"):
        logind.sessions(bus)
