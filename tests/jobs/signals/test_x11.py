"""The idle time and full-screen windows of a real X server (Xvfb)."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("there are no Unix sockets", allow_module_level=True)

from nightschool.jobs.desktop.dbus import BusClient
from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals import linux_idle, x11
from nightschool.jobs.signals.linux_presenting import Presenting
from nightschool.jobs.signals.signal import Signal
from nightschool.jobs.signals.x11 import XDisplay

ROOT = 77
COOKIE = bytes(range(16))


def entry(number: str, cookie: bytes, name: bytes = b"MIT-MAGIC-COOKIE-1") -> bytes:
    fields = (b"host", number.encode(), name, cookie)
    return struct.pack(">H", 65535) + b"".join(struct.pack(">H", len(f)) + f for f in fields)


def greeting() -> bytes:
    """A server's greeting: a vendor of one letter, no pixmap formats, one screen."""
    body = struct.pack("<IIIIHHBBBBBBBBxxxx", 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0) + b"v\0\0\0"
    body += struct.pack("<I", ROOT) + bytes(36)
    return struct.pack("<BxHHH", 1, 11, 0, len(body) // 4) + body


def reply(*fields: int, layout: str) -> bytes:
    return struct.pack(f"<BxHI{layout}", 1, 0, 0, *fields).ljust(32, b"\0")


def extension(opcode: int = 140) -> bytes:
    return reply(1, opcode, layout="BB")


@contextmanager
def pretender(path: Path, *sent: bytes) -> Iterator[Path]:
    """An X server that sends these replies, one per request, and then exits."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            channel, _ = server.accept()
            with channel:
                for data in sent:
                    channel.recv(4096)
                    channel.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        thread.join()


@pytest.fixture(scope="module")
def xvfb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The number of a display that requires a cookie, and the file with the cookie."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("there is no Xvfb")
    authority = tmp_path_factory.mktemp("x") / "authority"
    authority.write_bytes(entry("", COOKIE))
    read_end, write_end = os.pipe()
    command = [
        program,
        "-displayfd",
        str(write_end),
        "-auth",
        str(authority),
        "-screen",
        "0",
        "320x240x24",
    ]
    started = subprocess.Popen(
        [*command, "-nolisten", "tcp"], pass_fds=[write_end], stderr=subprocess.DEVNULL
    )
    os.close(write_end)
    with os.fdopen(read_end) as output:
        number = output.readline().strip()
    if not number:
        pytest.skip("Xvfb does not start here")
    yield int(number), authority
    started.terminate()
    started.wait()


@pytest.fixture
def display(xvfb: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[XDisplay]:
    number, authority = xvfb
    monkeypatch.setenv("XAUTHORITY", str(authority))
    monkeypatch.setenv("DISPLAY", f":{number}")
    display = x11.open_display()
    yield display
    display.close()


def test_input_resets_the_idle_time(display: XDisplay) -> None:
    if not shutil.which("xdotool"):
        pytest.skip("there is no xdotool")
    while display.idle_s() < 0.3:  # by the server's clock
        pass
    begun = time.monotonic()
    subprocess.run(["xdotool", "mousemove", "50", "60", "key", "a"], check=True, timeout=20)
    idle_s = display.idle_s()
    assert idle_s <= time.monotonic() - begun + 0.01
    assert not display.is_xwayland()


def test_x_server_reports_if_no_service_does(
    display: XDisplay, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux_idle, "read_terminals", list)
    nowhere = BusClient("session", f"unix:path={short_path / 'none'}")
    assert linux_idle.Idle(nowhere, nowhere).read().source == "X11"
    put(display, "_NET_ACTIVE_WINDOW", display._root)
    put(display, "_NET_WM_STATE", display._atom("_NET_WM_STATE_FULLSCREEN"))
    assert display.full_screen()
    assert Presenting(nowhere, nowhere, set).read() == Signal("a full-screen window", "X11")
    put(display, "_NET_WM_STATE")
    assert not display.full_screen()
    assert Presenting(nowhere, nowhere, set).read() == Signal("", "X11")


def test_missing_cookie_is_access_denied(
    xvfb: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAUTHORITY", "/nowhere")
    with pytest.raises(SourceError, match=r"cannot be opened: it refuses us \(XAUTHORITY\)"):
        XDisplay(xvfb[0])


def put(display: XDisplay, name: str, *values: int) -> None:
    """Set a property of the root window, as a window manager does (ChangeProperty)."""
    data = struct.pack(f"<{len(values)}I", *values)
    request = (
        struct.pack("<IIIBxxxI", display._root, display._atom(name), 33, 32, len(values)) + data
    )
    display._socket.sendall(struct.pack("<BBH", 18, 0, 1 + len(request) // 4) + request)


def test_active_full_screen_window_is_reported(display: XDisplay) -> None:
    assert not display.full_screen()
    put(display, "_NET_ACTIVE_WINDOW", display._root)
    put(display, "_NET_WM_STATE", display._atom("_NET_WM_STATE_ABOVE"))
    assert not display.full_screen()
    full_screen = display._atom("_NET_WM_STATE_FULLSCREEN")
    put(display, "_NET_WM_STATE", display._atom("_NET_WM_STATE_ABOVE"), full_screen)
    assert display.full_screen()


def test_closed_window_is_not_full_screen(display: XDisplay) -> None:
    put(display, "_NET_ACTIVE_WINDOW", 12345)
    assert not display.full_screen()
    assert display.idle_s() >= 0


IDLE = reply(0, 0, 4321, 0, 0, layout="IIIII")


def test_server_that_exits_is_an_error(short_path: Path) -> None:
    with pretender(short_path / "X5", greeting(), extension(), IDLE):
        display = XDisplay(5, short_path)
        assert display.idle_s() == 4.321
    with pytest.raises(SourceError, match="X display :5 was lost"):
        display.idle_s()


def test_events_before_a_reply_are_skipped(short_path: Path) -> None:
    mapping_notify = bytes([34]).ljust(32, b"\0")
    long_event = struct.pack("<BxHI", 35, 0, 2).ljust(40, b"\0")
    with pretender(short_path / "X5", greeting(), extension(), mapping_notify + long_event + IDLE):
        assert XDisplay(5, short_path).idle_s() == 4.321


def test_server_without_the_extension_is_an_error(short_path: Path) -> None:
    with (
        pretender(short_path / "X5", greeting(), reply(0, 0, layout="BB")),
        pytest.raises(SourceError, match="has no MIT-SCREEN-SAVER"),
    ):
        XDisplay(5, short_path).idle_s()


def test_hanging_server_costs_the_limit(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(x11, "LIMIT_S", 0.05)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_path / "X5"))
        server.listen()
        with pytest.raises(SourceError, match="TimeoutError"):
            XDisplay(5, short_path)


@given(st.binary(max_size=200), st.integers(0, 99))
def test_damaged_cookie_file_is_ignored(data: bytes, number: int) -> None:
    assert all(isinstance(cookie, bytes) for cookie in x11.cookies(data, number))


def test_only_cookies_of_the_display_are_tried() -> None:
    data = entry("1", b"one") + entry("2", b"two") + entry("", b"any") + entry("1", b"x", b"XDM")
    assert list(x11.cookies(data, 1)) == [b"one", b"any"]


def test_environment_display_counts_if_it_is_local(
    short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("X10", "X2", "X", "Xy"):
        (short_path / name).touch()
    assert x11.displays(short_path) == [2, 10]
    expected = {":2.0": [2], "unix:10": [10], ":3": [], "localhost:10.0": [], "nonsense": []}
    for named, numbers in expected.items():
        monkeypatch.setenv("DISPLAY", named)
        assert x11.displays(short_path) == numbers


def test_missing_display_is_an_error(short_path: Path) -> None:
    with pytest.raises(SourceError, match=r"X display :7 cannot be opened: FileNotFoundError"):
        XDisplay(7, short_path)
