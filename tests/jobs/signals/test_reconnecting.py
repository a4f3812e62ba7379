"""A connection stays open, and is reopened some time after a failure."""

from __future__ import annotations

import pytest

from nightschool.jobs.desktop.source_errors import SourceError
from nightschool.jobs.signals import reconnecting as kept_module
from nightschool.jobs.signals.reconnecting import Reconnecting


class Line:
    def __init__(self) -> None:
        self.works = True
        self.closed = False

    def ask(self) -> int:
        if not self.works:
            raise SourceError("lost")
        return 1

    def close(self) -> None:
        self.closed = True


def test_connection_is_reopened_some_time_after_it_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(kept_module, "uptime_s", lambda: now[0])
    lines: list[Line] = []

    def open_it() -> Line:
        if len(lines) == 1:
            lines.append(Line())
            raise SourceError("refused")
        lines.append(Line())
        return lines[-1]

    kept = Reconnecting(open_it)
    assert [kept.ask(Line.ask) for _ in range(3)] == [1, 1, 1]
    lines[0].works = False
    for passed, remark, opened in (
        (0, "lost", 1),
        (9, "lost", 1),
        (2, "refused", 2),
        (9, "refused", 2),
    ):
        now[0] += passed
        with pytest.raises(SourceError, match=remark):
            kept.ask(Line.ask)
        assert len(lines) == opened
    assert lines[0].closed
    now[0] += 2
    assert kept.ask(Line.ask) == 1
