"""Private buses in place of the session's and the system's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool.jobs.desktop import suspend
from nightschool.jobs.signals import bus, polling, wayland, x11
from tests.jobs.bus import PrivateBus, running_bus


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a healthy peer may take longer than the limits that shield a worker allow.

    A test of such a limit sets its own.
    """
    for module in (bus, polling, wayland, x11):
        monkeypatch.setattr(module, "LIMIT_S", 20.0)
    monkeypatch.setattr(polling, "PATIENCE_S", 20.0)
    monkeypatch.setattr(suspend, "FIRST_WORD_S", 20.0)


@pytest.fixture
def no_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever bus there is outside is none of a test's business."""
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
