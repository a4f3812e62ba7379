"""Idle time from terminals: only typing counts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from nightschool.jobs.signals.terminals import read_terminals, terminals, typing_idle

pty = pytest.importorskip("pty")
Terminal = tuple[int, int, str]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A pseudo terminal that was last read from an hour ago: master, slave, name."""
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    an_hour_ago = time.time() - 3600
    os.utime(name, (an_hour_ago, an_hour_ago))
    yield master, slave, name
    os.close(master)
    os.close(slave)


def test_unused_terminal_has_its_idle_time(terminal: Terminal) -> None:
    _, _, name = terminal
    assert name in terminals()
    (reading,) = typing_idle([name], time.time())
    assert reading.value == pytest.approx(3600, abs=5)
    assert reading.source == f"terminal {name}"


def test_typing_resets_the_idle_time(terminal: Terminal) -> None:
    master, slave, name = terminal
    os.write(master, b"ls\n")
    os.read(slave, 100)
    (reading,) = typing_idle([name], time.time())
    assert reading.value is not None
    assert reading.value < 60
    (of_all,) = read_terminals()
    assert of_all.value is not None
    assert of_all.value < 60


def test_output_of_a_program_is_not_typing(terminal: Terminal) -> None:
    master, slave, name = terminal
    os.write(slave, b"50 %\n")
    os.read(master, 100)
    (reading,) = typing_idle([name], time.time())
    assert reading.value == pytest.approx(3600, abs=5)


def test_closed_terminal_is_skipped(terminal: Terminal) -> None:
    _, _, name = terminal
    assert [signal.source for signal in typing_idle(["/dev/pts/999999", name], time.time())] == [
        f"terminal {name}"
    ]
    assert typing_idle(["/dev/pts/999999"], time.time()) == []


def test_small_clock_correction_gives_no_negative_time(terminal: Terminal) -> None:
    assert typing_idle([terminal[2]], time.time() - 3630)[0].value == 0


def test_access_time_far_in_the_future_is_not_typing(terminal: Terminal) -> None:
    master, other = pty.openpty()
    hours_ago = time.time() - 9 * 3600
    os.utime(os.ttyname(other), (hours_ago, hours_ago))
    now = time.time() - 7200  # the terminal's access time is an hour in the future
    (reading,) = typing_idle([terminal[2], os.ttyname(other)], now)
    assert reading.value == pytest.approx(7 * 3600, abs=5)
    assert typing_idle([terminal[2]], now) == []
    os.close(master)
    os.close(other)
