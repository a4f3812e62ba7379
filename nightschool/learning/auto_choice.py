"""A value that the program chose by itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class AutoChoice:
    """What was chosen and why; printed in the run's log and kept with the run."""

    name: str
    value: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)
