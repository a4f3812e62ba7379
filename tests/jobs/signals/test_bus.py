"""Asking D-Bus: a peer that is silent, gone, wrong, and a bus that ends or never was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightschool.jobs.signals import bus as bus_module
from nightschool.jobs.signals.bus import Bus
from nightschool.jobs.signals.signal import SourceError
from tests.jobs.bus import OK, listener, running_bus
from tests.jobs.signals.peers import Peer

NAME = "org.example.Peer"
ASK = (NAME, "/it", NAME, "Ask")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "LIMIT_S", 0.1)


@pytest.fixture
def bus(address: str) -> Iterator[Bus]:
    bus = Bus("session", address)
    yield bus
    bus.close()


def test_the_answer_and_properties_come_back(bus: Bus, new_peer: Callable[..., Peer]) -> None:
    peer = new_peer(NAME)
    peer.answers = {("/it", "Ask"): ("t", (7,)), ("/it", "Closed"): ("b", (True,))}
    assert bus.call(*ASK, "t") == (7,)
    assert bus.get(NAME, "/it", NAME, "Closed", "b") is True
    assert bus.get_all(NAME, "/it", NAME) == {"Ask": 7, "Closed": True}


def test_who_is_not_there_is_not_started(bus: Bus) -> None:
    with pytest.raises(SourceError, match=r"org\.example\.Peer is not there"):
        bus.call(*ASK, "t")


def test_an_unknown_method_is_a_refusal(bus: Bus, new_peer: Callable[..., Peer]) -> None:
    new_peer(NAME)
    with pytest.raises(SourceError, match="refused: UnknownMethod"):
        bus.call(*ASK, "t")


def test_an_answer_of_another_type_is_no_answer(bus: Bus, new_peer: Callable[..., Peer]) -> None:
    new_peer(NAME).answers = {("/it", "Ask"): ("s", ("garbage",))}
    with pytest.raises(SourceError, match='answered Ask with "s" instead of "t"'):
        bus.call(*ASK, "t")
    with pytest.raises(SourceError, match='gives Ask as "s" instead of "b"'):
        bus.get(NAME, "/it", NAME, "Ask", "b")


def test_a_silent_peer_is_waited_for_once_and_others_are_still_asked(
    bus: Bus, new_peer: Callable[..., Peer]
) -> None:
    silent, other = new_peer(NAME), new_peer("org.example.Other")
    silent.answers = {("/it", "Ask"): None}
    other.answers = {("/it", "Ask"): ("t", (1,))}
    with pytest.raises(SourceError, match=r"did not answer within 0\.1 s"):
        bus.call(*ASK, "t")
    for _ in range(3):
        with pytest.raises(SourceError, match="is asked again in 60 s"):
            bus.call(*ASK, "t")
    assert silent.asked == ["Ask"]
    assert bus.call("org.example.Other", "/it", NAME, "Ask", "t") == (1,)


def test_a_late_answer_is_not_taken_for_the_next(
    bus: Bus, new_peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = new_peer(NAME)
    peer.answers = {("/it", "Ask"): None}
    monkeypatch.setattr(bus_module, "REST_S", 0.0)
    with pytest.raises(SourceError):
        bus.call(*ASK, "t")
    peer.answers = {("/it", "Ask"): ("t", (2,))}
    assert bus.call(*ASK, "t") == (2,)


def test_a_bus_that_ends_and_comes_back(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "RECONNECT_S", 0.0)
    with running_bus(short_path) as private:
        bus, peer = Bus("session", private.address), Peer(private.address, NAME)
        peer.answers = {("/it", "Ask"): ("t", (1,))}
        assert bus.call(*ASK, "t") == (1,)
        peer.close()
    with pytest.raises(SourceError, match="the session bus was lost"):
        bus.call(*ASK, "t")
    with pytest.raises(SourceError, match=r"there is no session bus \(FileNotFoundError\)"):
        bus.call(*ASK, "t")
    with running_bus(short_path) as private:
        peer = Peer(private.address, NAME)
        peer.answers = {("/it", "Ask"): ("t", (3,))}
        assert bus.call(*ASK, "t") == (3,)
        peer.close()
        bus.close()


def test_a_bus_that_is_not_there_is_not_tried_at_every_call(short_path: Path) -> None:
    bus = Bus("system", f"unix:path={short_path / 'bus'}")
    for match in (
        "there is no system bus",
        "the system bus did not answer and is asked again in 5 s",
    ):
        with pytest.raises(SourceError, match=match):
            bus.call(*ASK, "t")


def test_a_bus_that_takes_us_and_is_silent_costs_the_limit(short_path: Path) -> None:
    with (
        listener(short_path / "s") as address,
        pytest.raises(SourceError, match=r"there is no session bus \(TimeoutError\)"),
    ):
        Bus("session", address).call(*ASK, "t")


def test_a_bus_that_never_greets_back_costs_the_limit(short_path: Path) -> None:
    with (
        listener(short_path / "s", AUTH=OK) as address,
        pytest.raises(SourceError, match=r"the session bus does not answer \(TimeoutError\)"),
    ):
        Bus("session", address).call(*ASK, "t")


def test_a_bus_that_sends_garbage_is_left(short_path: Path) -> None:
    with (
        listener(short_path / "s", AUTH=OK, Hello=b"\xff" * 64) as address,
        pytest.raises(SourceError, match=r"the session bus does not answer \((?!Timeout)"),
    ):
        Bus("session", address).call(*ASK, "t")


@pytest.mark.parametrize("address", ["", "tcp:host=x", "unix:nonsense", "autolaunch:"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(SourceError, match="there is no session bus"):
        Bus("session", address).call(*ASK, "t")
