"""What a repair finds, and what it does about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RepairRemedy(StrEnum):
    """What becomes of something that is damaged."""

    MADE_AGAIN = "made again"
    DROPPED = "dropped"
    """It is a cache, or nothing needs it: it is put aside and counts as absent."""
    PERFORMED_AGAIN = "performed again"
    """An unfinished run goes back to the stage that makes it."""
    LOST = "lost"
    """Nothing makes it again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something damaged; the fields are the keys of its JSON."""

    path: str
    """In `.nightschool`, with "/"."""
    problem: str
    """In words, such as "is missing"."""
    remedy: RepairRemedy
    detail: str
    """What it is made again from, why it is not needed, or what is lost."""

    def line(self, dry: bool) -> str:
        """For people, in one line."""
        match self.remedy:
            case RepairRemedy.MADE_AGAIN:
                done = f"{'can be ' * dry}made again from {self.detail}"
            case RepairRemedy.DROPPED:
                done = f"{'can be ' * dry}dropped: {self.detail}"
            case RepairRemedy.PERFORMED_AGAIN:
                done = self.detail
            case RepairRemedy.LOST:
                done = f"cannot be made again: {self.detail}"
        return f"{self.path} {self.problem}: {done}"
