"""An environment without a desktop, and watches of a sleep that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool.jobs.signals.suspend import SuspendWatch


@pytest.fixture(autouse=True)
def no_desktop(monkeypatch: pytest.MonkeyPatch, short_path: Path) -> None:
    """Hide the desktop of the computer that runs the tests."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION", "XAUTHORITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))


@pytest.fixture
def watches() -> Iterator[list[SuspendWatch]]:
    """Append the watches that a test starts; they are closed after it."""
    started: list[SuspendWatch] = []
    yield started
    for watch in started:
        watch.close()
