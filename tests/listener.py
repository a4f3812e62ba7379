"""A child's parent that keeps what it hears."""

from __future__ import annotations


class Listener:
    """Wishes for a stop once so many steps of a stage are done."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.said: list[tuple[str, str]] = []
        self.done: list[tuple[int, int]] = []
        self._stop_after = stop_after

    def should_stop(self) -> bool:
        done = self.done[-1][0] if self.done else 0
        return self._stop_after is not None and done >= self._stop_after

    def say(self, kind: str, message: str) -> None:
        self.said.append((kind, message))

    def progress(self, step: int, total: int, loss: None, eta_s: float | None) -> None:
        self.done.append((step, total))
