"""Decoding of the answers of Windows."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.jobs.signals import windows
from nightschool.jobs.signals.windows import WindowsSession

ticks = st.integers(0, 2**32 - 1)


@given(ticks, st.integers(0, 2**31))
def test_tick_counts_wrap_around(last: int, passed: int) -> None:
    assert windows.tick_idle_s((last + passed) % 2**32, last) == passed / 1000


def wtsinfo(state: int, number: int, user: str, last_input: int, now: int) -> bytes:
    """A WTSINFOW in the layout of 64-bit and 32-bit Windows: 216 bytes."""
    head = struct.pack("<II6I", state, number, *range(6))
    names = "RDP-Tcp#3".encode("utf-16-le").ljust(64, b"\0") + "HOME".encode("utf-16-le").ljust(
        34, b"\0"
    )
    names += user.encode("utf-16-le").ljust(42, b"\0")
    data = (head + names).ljust(176, b"\0") + struct.pack("<5q", 1, 2, last_input, 3, now)
    assert len(data) == 216
    return data


NOW = 133_700_000_000_000_000


def test_session_is_decoded() -> None:
    info = wtsinfo(0, 3, "夜間", NOW - 90 * 10_000_000, NOW)
    assert windows.session(info) == WindowsSession(3, "夜間", active=True, idle_s=90.0)
    assert windows.session(wtsinfo(4, 1, "", 0, NOW)) == WindowsSession(
        1, "", active=False, idle_s=None
    )


def test_only_active_sessions_of_others_count() -> None:
    others = [
        WindowsSession(1, "ana", True, None),  # our own
        WindowsSession(2, "bob", False, 5.0),  # disconnected
        WindowsSession(0, "", True, None),  # services
        WindowsSession(3, "cleo", True, 40.0),
    ]
    assert [signal.value for signal in windows.idle(1, 300.0, others)] == [300.0, 40.0]


def test_active_user_without_an_input_time_is_unknown() -> None:
    assert windows.idle(1, 300.0, [WindowsSession(2, "bob", True, None)])[1].value is None


def test_service_session_receives_no_input() -> None:
    (signal,) = windows.idle(0, 1e6, [])
    assert signal.value is None
    assert "start the worker at logon" in signal.remark
    assert windows.kind(False, 0).value == "none"


@pytest.mark.parametrize(
    ("status", "on_ac", "percent"),
    [
        ((1, 8, 91), True, 91),  # charging
        ((0, 1, 80), False, 80),
        ((0, 4, 3), False, 3),
        ((1, 128, 255), True, None),  # a desktop computer
        ((255, 128, 255), True, None),
        ((255, 255, 255), None, None),
        ((0, 255, 50), False, 50),
    ],
)
def test_power(status: tuple[int, int, int], on_ac: bool | None, percent: float | None) -> None:
    assert tuple(signal.value for signal in windows.power(*status)) == (on_ac, percent)


def test_presenting_and_the_kind_of_session() -> None:
    expected: dict[int, str | None]
    expected = {1: "", 2: "a full-screen program", 3: "a full-screen game", 4: "presentation mode"}
    expected |= {5: "", 6: "", 7: "a full-screen app", 0: None, 99: None}
    assert {state: windows.presenting(state).value for state in expected} == expected
    assert [windows.kind(remote, 2).value for remote in (True, False)] == ["rdp", "local"]
