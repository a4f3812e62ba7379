"""The idle time from a compositor with ext-idle-notify."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("there are no Unix sockets", allow_module_level=True)

from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals import wayland
from nightschool.jobs.signals.wayland import IdleNotifier
from tests.jobs.signals.compositor import Compositor, message

Forward = Callable[[float], None]


@pytest.fixture
def compositor(short_path: Path) -> Iterator[Compositor]:
    compositor = Compositor(short_path / "wayland-0")
    yield compositor
    compositor.close()


@pytest.fixture
def forward(monkeypatch: pytest.MonkeyPatch) -> Forward:
    passed = [0.0]
    monkeypatch.setattr(wayland, "uptime_s", lambda: 1000.0 + passed[0])
    return lambda seconds: passed.__setitem__(0, passed[0] + seconds)


def connect() -> IdleNotifier:
    path = wayland.socket_path()
    assert path is not None
    return IdleNotifier(path)


def test_idle_time_follows_the_compositor(compositor: Compositor, forward: Forward) -> None:
    notifier = connect()
    assert compositor.faults == []
    assert compositor.timeouts == [5000]
    forward(60)
    assert notifier.idle_s() == 0  # no event yet
    compositor.tell(0)
    assert notifier.idle_s() == 5
    forward(100)
    assert notifier.idle_s() == 105
    compositor.tell(1)
    assert notifier.idle_s() == 0
    compositor.tell(0)
    compositor.tell(1)
    compositor.tell(0)
    forward(7)
    assert notifier.idle_s() == 5
    notifier.close()


def test_active_seat_counts(short_path: Path, forward: Forward) -> None:
    compositor = Compositor(short_path / "wayland-0", "wl_seat", "wl_seat", "ext_idle_notifier_v1")
    notifier = connect()
    compositor.tell(0, seat=0)
    assert notifier.idle_s() == 0
    compositor.tell(0, seat=1)
    assert notifier.idle_s() == 5
    assert compositor.faults == []
    compositor.close()


@pytest.mark.parametrize("offered", [("wl_seat",), ("ext_idle_notifier_v1",)])
def test_compositor_without_idle_notify_is_an_error(
    short_path: Path, offered: tuple[str, ...]
) -> None:
    compositor = Compositor(short_path / "wayland-0", *offered)
    with pytest.raises(SourceError, match="has no ext-idle-notify"):
        connect()
    compositor.close()


def test_compositor_that_exits_is_an_error(compositor: Compositor) -> None:
    notifier = connect()
    compositor.close()
    with pytest.raises(SourceError, match=r"the Wayland compositor was lost"):
        notifier.idle_s()


@pytest.mark.parametrize(
    "garbage",
    [message(1, 0, struct.pack("=III", 1, 0, 0)), b"\0" * 8, struct.pack("=II", 6, 4 << 16)],
    ids=["an error", "no size", "too small"],
)
def test_garbage_closes_the_connection(compositor: Compositor, garbage: bytes) -> None:
    notifier = connect()
    compositor.say(garbage)
    with pytest.raises(SourceError, match="the Wayland compositor was lost"):
        notifier.idle_s()


def test_silent_compositor_costs_the_limit(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wayland, "LIMIT_S", 0.05)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_path / "wayland-0"))
        server.listen()
        with pytest.raises(SourceError, match=r"unreachable \(TimeoutError\)"):
            connect()


def test_socket_of_a_crashed_compositor_does_not_count(short_path: Path) -> None:
    assert not wayland.is_running()
    compositor = Compositor(short_path / "wayland-3")
    assert wayland.is_running()
    compositor.close()
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(short_path / "wayland-3"))
    assert wayland.socket_path() == short_path / "wayland-3"
    assert not wayland.is_running()


def test_environment_names_the_compositor(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wayland-0", "wayland-0.lock", "wayland-1"):
        (short_path / name).touch()
    assert wayland.socket_path() == short_path / "wayland-0"
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-1")
    assert wayland.socket_path() == short_path / "wayland-1"
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-of-yesterday")
    assert wayland.socket_path() == short_path / "wayland-0"
