"""Private message buses, and services on them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightschool.jobs.desktop import dbus
from nightschool.jobs.signals import polling, suspend, wayland, x11
from tests.jobs.bus import PrivateBus, running_bus
from tests.jobs.signals.peers import Peer


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the time limits that protect a worker: on a busy machine a healthy peer may exceed them.

    A test of a limit sets its own.
    """
    for module in (dbus, polling, wayland, x11):
        monkeypatch.setattr(module, "LIMIT_S", 20.0)
    monkeypatch.setattr(polling, "PATIENCE_S", 20.0)
    monkeypatch.setattr(suspend, "FIRST_REPORT_S", 20.0)


@pytest.fixture
def no_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the buses of the computer that runs the tests."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")


@pytest.fixture
def system_bus(
    no_bus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PrivateBus]:
    with running_bus(tmp_path / "system") as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        yield bus


@pytest.fixture
def session_bus(
    no_bus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PrivateBus]:
    with running_bus(tmp_path / "session") as bus:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.address)
        yield bus


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose name is short enough for a socket (108 bytes)."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def address(short_path: Path) -> Iterator[str]:
    with running_bus(short_path) as bus:
        yield bus.address


@pytest.fixture
def new_peer(address: str) -> Iterator[Callable[..., Peer]]:
    """Makes services on the private bus."""
    made: list[Peer] = []

    def make(*names: str) -> Peer:
        made.append(Peer(address, *names))
        return made[-1]

    yield make
    for peer in made:
        peer.close()
