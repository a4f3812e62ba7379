"""A private bus for each test that wants one, and an environment without any desktop."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.jobs.bus import running_bus
from tests.jobs.signals.peers import Peer


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


@pytest.fixture(autouse=True)
def no_desktop(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> None:
    """Whoever runs the tests may sit at a desktop."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "XAUTHORITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
