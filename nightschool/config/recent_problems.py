"""Which problems were logged lately, so that one that lasts, or comes and goes, is logged once."""

from __future__ import annotations

import time
from collections.abc import Callable

QUIET_S = 600.0
"""A problem that was absent for this long is logged again."""
_MOST = 20


class RecentProblems:
    """Problems by their text. Not more than a few different ones are logged in ten minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, float] = {}

    def is_new(self, problem: str) -> bool:
        """Whether to log a problem that has just occurred."""
        now = self._clock()
        self._seen = {text: at for text, at in self._seen.items() if now - at < QUIET_S}
        if problem not in self._seen and len(self._seen) >= _MOST:
            return False
        is_new = problem not in self._seen
        self._seen[problem] = now
        return is_new
