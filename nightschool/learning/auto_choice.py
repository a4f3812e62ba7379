"""A value that the program chose automatically."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class AutoChoice:
    """An automatic choice with its reason; printed in the run's log and stored with the run."""

    name: str
    value: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)
