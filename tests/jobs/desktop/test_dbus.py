"""The D-Bus client: peers that are silent, absent or wrong, and a bus that is lost or unreachable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jeepney import DBusAddress

from nightschool.jobs.desktop import dbus
from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.source_errors import SourceError
from tests.jobs.bus import OK, listener, running_bus
from tests.jobs.signals.peers import Peer

NAME = "org.example.Peer"
PEER = DBusAddress("/it", bus_name=NAME, interface=NAME)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus, "LIMIT_S", 0.1)


@pytest.fixture
def bus(address: str) -> Iterator[BusClient]:
    bus = BusClient("session", address)
    yield bus
    bus.close()


def test_call_and_properties_return_the_answer(
    bus: BusClient, new_peer: Callable[..., Peer]
) -> None:
    peer = new_peer(NAME)
    peer.answers = {("/it", "Ask"): ("t", (7,)), ("/it", "Closed"): ("b", (True,))}
    assert bus.call(PEER, "Ask", "t") == (7,)
    assert bus.get(PEER, "Closed", "b") is True
    assert bus.get_all(PEER) == {"Ask": 7, "Closed": True}


def test_absent_peer_is_not_started(bus: BusClient) -> None:
    with pytest.raises(SourceError, match=r"org\.example\.Peer is not running"):
        bus.call(PEER, "Ask", "t")


def test_unknown_method_is_unsupported(bus: BusClient, new_peer: Callable[..., Peer]) -> None:
    new_peer(NAME)
    with pytest.raises(SourceError, match="refused Ask: UnknownMethod"):
        bus.call(PEER, "Ask", "t")


def test_answer_of_another_type_is_an_error(bus: BusClient, new_peer: Callable[..., Peer]) -> None:
    new_peer(NAME).answers = {("/it", "Ask"): ("s", ("garbage",))}
    with pytest.raises(SourceError, match='answered Ask with "s" instead of "t"'):
        bus.call(PEER, "Ask", "t")
    with pytest.raises(SourceError, match='has Ask as "s" instead of "b"'):
        bus.get(PEER, "Ask", "b")


def test_silent_peer_is_left_alone_while_others_are_called(
    bus: BusClient, new_peer: Callable[..., Peer]
) -> None:
    silent, other = new_peer(NAME), new_peer("org.example.Other")
    silent.answers = {("/it", "Ask"): None}
    other.answers = {("/it", "Ask"): ("t", (1,))}
    with pytest.raises(SourceError, match=r"did not answer within 0\.1 s"):
        bus.call(PEER, "Ask", "t")
    for _ in range(3):
        with pytest.raises(SourceError, match="next attempt in 60 s"):
            bus.call(PEER, "Ask", "t")
    assert silent.asked == ["Ask"]
    assert bus.call(DBusAddress("/it", "org.example.Other", NAME), "Ask", "t") == (1,)


def test_late_answer_is_not_taken_for_the_next(
    bus: BusClient, new_peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = new_peer(NAME)
    peer.answers = {("/it", "Ask"): None}
    monkeypatch.setattr(dbus, "PEER_REST_S", 0.0)
    with pytest.raises(SourceError):
        bus.call(PEER, "Ask", "t")
    peer.answers = {("/it", "Ask"): ("t", (2,))}
    assert bus.call(PEER, "Ask", "t") == (2,)


def test_connection_is_reopened_after_the_bus_was_lost(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbus, "BUS_REST_S", 0.0)
    with running_bus(short_path) as private:
        bus, peer = BusClient("session", private.address), Peer(private.address, NAME)
        peer.answers = {("/it", "Ask"): ("t", (1,))}
        assert bus.call(PEER, "Ask", "t") == (1,)
        peer.close()
    with pytest.raises(SourceError, match="the session bus was lost"):
        bus.call(PEER, "Ask", "t")
    with pytest.raises(SourceError, match=r"the session bus is unreachable \(No such file"):
        bus.call(PEER, "Ask", "t")
    with running_bus(short_path) as private:
        peer = Peer(private.address, NAME)
        peer.answers = {("/it", "Ask"): ("t", (3,))}
        assert bus.call(PEER, "Ask", "t") == (3,)
        peer.close()
        bus.close()


def test_unreachable_bus_is_left_alone_for_a_while(short_path: Path) -> None:
    bus = BusClient("system", f"unix:path={short_path / 'bus'}")
    for match in (
        "the system bus is unreachable",
        "the system bus did not answer; next attempt in 5 s",
    ):
        with pytest.raises(SourceError, match=match):
            bus.call(PEER, "Ask", "t")


def test_silent_bus_costs_the_time_limit(short_path: Path) -> None:
    with (
        listener(short_path / "s") as address,
        pytest.raises(SourceError, match=r"the session bus is unreachable \(no answer in time"),
    ):
        BusClient("session", address).call(PEER, "Ask", "t")


def test_bus_that_does_not_greet_costs_the_time_limit(short_path: Path) -> None:
    with (
        listener(short_path / "s", AUTH=OK) as address,
        pytest.raises(SourceError, match=r"the session bus does not answer \(no answer in time"),
    ):
        BusClient("session", address).call(PEER, "Ask", "t")


def test_bus_that_sends_garbage_is_an_error(short_path: Path) -> None:
    with (
        listener(short_path / "s", AUTH=OK, Hello=b"\xff" * 64) as address,
        pytest.raises(SourceError, match=r"the session bus does not answer \((?!no answer)"),
    ):
        BusClient("session", address).call(PEER, "Ask", "t")


@pytest.mark.parametrize("address", ["", "tcp:host=x", "unix:nonsense", "autolaunch:"])
def test_invalid_address_is_an_error(address: str) -> None:
    with pytest.raises(SourceError, match="the session bus is unreachable"):
        BusClient("session", address).call(PEER, "Ask", "t")
