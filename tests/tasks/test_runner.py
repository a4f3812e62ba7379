"""How the end of an attempt is recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.tasks import runner


def test_a_cancelled_run_is_told_as_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the policy there is nothing to do then: that is not what ended it."""
    school = School(tmp_path)
    cancelled = False

    def attend(child: object, hear: object, should_stop: Callable[[], bool], _: object) -> int:
        nonlocal cancelled
        with Ledger(school.ledger_file) as ledger:
            ledger.cancel(1)
        cancelled = True
        assert should_stop()
        return 0

    monkeypatch.setattr(runner, "Child", lambda *_, **__: SimpleNamespace(pid=1))
    monkeypatch.setattr(runner, "stage_job", lambda *_: {})
    monkeypatch.setattr(runner, "attend", attend)
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, "compare", "now").id
        ledger.decide(run, True, "run_now")
        veto = lambda: ("nothing_to_do", "no run is queued") if cancelled else None  # noqa: E731
        assert not runner.Runner(school, "test", veto).advance(run)
        [attempt] = ledger.attempts_of(run)
    assert (attempt.outcome, attempt.reason) == ("cancelled", "by its owner")
