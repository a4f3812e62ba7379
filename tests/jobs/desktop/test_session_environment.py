"""The variables of a desktop that starts after the worker, and ends."""

from __future__ import annotations

import pytest

from nightschool.jobs.desktop.session_environment import SessionEnvironment
from tests.jobs.bus import FakeService, PrivateBus, needs_bus

pytestmark = needs_bus


@pytest.fixture
def imported(session_bus: PrivateBus) -> list[str]:
    """The variables in systemd's user manager; a test changes them as a desktop does."""
    lines = ["PATH=/usr/bin"]
    FakeService(
        session_bus, "org.freedesktop.systemd1", {"Get": lambda message: ("v", (("as", lines),))}
    )
    return lines


def test_variables_follow_a_desktop_that_starts_and_ends(imported: list[str]) -> None:
    environment = {"PATH": "/bin"}
    session = SessionEnvironment(environment)
    session.refresh()
    assert environment == {"PATH": "/bin"}
    imported += ["WAYLAND_DISPLAY=wayland-1", "XAUTHORITY=/run/a=b", "DISPLAY="]
    session.refresh()
    assert environment == {
        "PATH": "/bin", "WAYLAND_DISPLAY": "wayland-1", "XAUTHORITY": "/run/a=b",
    }  # fmt: skip
    imported[1:] = ["DISPLAY=:1"]
    session.refresh()
    assert environment == {"PATH": "/bin", "DISPLAY": ":1"}


def test_variables_of_the_worker_stay(imported: list[str]) -> None:
    imported.append("DISPLAY=:1")
    environment = {"DISPLAY": ":7"}
    SessionEnvironment(environment).refresh()
    assert environment == {"DISPLAY": ":7"}


def test_nothing_changes_without_systemd(session_bus: PrivateBus) -> None:
    environment = {"XDG_SESSION_TYPE": "tty"}
    SessionEnvironment(environment).refresh()
    assert environment == {"XDG_SESSION_TYPE": "tty"}
