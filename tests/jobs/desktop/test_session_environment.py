"""A desktop that comes after the worker, and goes."""

from __future__ import annotations

import pytest

from nightschool.jobs.desktop.session_environment import SessionEnvironment
from tests.jobs.bus import FakeService, PrivateBus, needs_bus

pytestmark = needs_bus


@pytest.fixture
def told(session_bus: PrivateBus) -> list[str]:
    """What systemd's user manager was told; change it as a desktop does."""
    lines = ["PATH=/usr/bin"]
    FakeService(
        session_bus, "org.freedesktop.systemd1", {"Get": lambda message: ("v", (("as", lines),))}
    )
    return lines


def test_a_desktop_that_comes_and_goes_is_followed(told: list[str]) -> None:
    environment = {"PATH": "/bin"}
    session = SessionEnvironment(environment)
    session.refresh()
    assert environment == {"PATH": "/bin"}
    told += ["WAYLAND_DISPLAY=wayland-1", "XAUTHORITY=/run/a=b", "DISPLAY="]
    session.refresh()
    assert environment == {
        "PATH": "/bin", "WAYLAND_DISPLAY": "wayland-1", "XAUTHORITY": "/run/a=b",
    }  # fmt: skip
    told[1:] = ["DISPLAY=:1"]
    session.refresh()
    assert environment == {"PATH": "/bin", "DISPLAY": ":1"}


def test_what_the_worker_was_started_with_stays(told: list[str]) -> None:
    told.append("DISPLAY=:1")
    environment = {"DISPLAY": ":7"}
    SessionEnvironment(environment).refresh()
    assert environment == {"DISPLAY": ":7"}


def test_without_systemd_nothing_changes(session_bus: PrivateBus) -> None:
    environment = {"XDG_SESSION_TYPE": "tty"}
    SessionEnvironment(environment).refresh()
    assert environment == {"XDG_SESSION_TYPE": "tty"}
