from __future__ import annotations

from nightschool.config.recent_problems import QUIET_S, RecentProblems


def logged(every_s: float, *problems: str, hours: float = 1.0) -> int:
    """How many lines a worker writes if a problem of `problems`, in turn, occurs every `every_s` seconds."""
    now = 0.0
    recent = RecentProblems(lambda: now)
    lines = 0
    while now < 3600 * hours:
        lines += recent.is_new(problems[int(now / every_s) % len(problems)])
        now += every_s
    return lines


def test_problem_that_lasts_is_logged_once() -> None:
    assert logged(1.0, "refused") == 1


def test_problems_that_alternate_are_logged_once_each() -> None:
    assert logged(1.0, "refused", "timeout") == 2


def test_problem_that_returns_after_a_while_is_logged_again() -> None:
    assert logged(QUIET_S + 1, "refused") == 6


def test_problems_that_all_differ_are_bounded() -> None:
    assert logged(1.0, *(f"message {number}" for number in range(3600))) <= 20 * 3600 / QUIET_S
