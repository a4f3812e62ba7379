"""Typing into a terminal shows, and nothing else does."""

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


def test_a_terminal_that_nobody_types_into_tells_since_when(terminal: Terminal) -> None:
    _, _, name = terminal
    assert name in terminals()
    (told,) = typing_idle([name], time.time())
    assert told.value == pytest.approx(3600, abs=5)
    assert told.source == f"terminal {name}"


def test_typing_is_seen_at_once(terminal: Terminal) -> None:
    master, slave, name = terminal
    os.write(master, b"ls\n")
    os.read(slave, 100)
    (told,) = typing_idle([name], time.time())
    assert told.value is not None
    assert told.value < 60
    (of_all,) = read_terminals()
    assert of_all.value is not None
    assert of_all.value < 60


def test_what_a_program_prints_is_not_typed(terminal: Terminal) -> None:
    master, slave, name = terminal
    os.write(slave, b"50 %\n")
    os.read(master, 100)
    (told,) = typing_idle([name], time.time())
    assert told.value == pytest.approx(3600, abs=5)


def test_a_terminal_that_has_closed_is_passed_over(terminal: Terminal) -> None:
    _, _, name = terminal
    assert [signal.source for signal in typing_idle(["/dev/pts/999999", name], time.time())] == [
        f"terminal {name}"
    ]
    assert typing_idle(["/dev/pts/999999"], time.time()) == []


def test_a_clock_that_is_corrected_a_little_gives_no_time_below_zero(terminal: Terminal) -> None:
    assert typing_idle([terminal[2]], time.time() - 3630)[0].value == 0


def test_a_clock_that_was_far_ahead_does_not_read_as_typing(terminal: Terminal) -> None:
    master, other = pty.openpty()
    hours_ago = time.time() - 9 * 3600
    os.utime(os.ttyname(other), (hours_ago, hours_ago))
    now = time.time() - 7200  # the terminal's hour ago is an hour ahead
    (told,) = typing_idle([terminal[2], os.ttyname(other)], now)
    assert told.value == pytest.approx(7 * 3600, abs=5)
    assert typing_idle([terminal[2]], now) == []
    os.close(master)
    os.close(other)
