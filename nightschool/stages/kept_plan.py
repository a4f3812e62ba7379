"""What a run decides before its first step and keeps for all its chunks: `runs/N/plan.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from nightschool.config import files
from nightschool.config.errors import LearningError, first_line
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.time_model import Pace, QuickPlan
from nightschool.stats.results import Choice

VERSION = 1


@dataclass(frozen=True, slots=True)
class KeptTimePlan:
    """The pace of the timed steps, and the part of the training that `run --quick` chose."""

    pace: Pace
    restart_s: float
    """Seconds from the start of a training process to its first step."""
    lap: QuickPlan | None = None
    """None: the whole training."""
    chosen: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """Empty before the first chunk. The field names are those of the file."""

    version: int = VERSION
    device: str = ""
    """The torch device type that the run began on."""
    plan: MemoryPlan | None = None
    chosen: tuple[Choice, ...] = ()
    """What was chosen with the memory plan."""
    ran_out: MemoryPlan | None = None
    """The memory plan with which the last chunk ran out of memory."""
    time: KeptTimePlan | None = None


_ADAPTER = TypeAdapter(KeptPlan)


def read_kept_plan(file: Path) -> KeptPlan:
    """The plan in a file; an empty one if there is no file. Raises LearningError if it is damaged."""
    try:
        return _ADAPTER.validate_json(file.read_bytes())
    except FileNotFoundError:
        return KeptPlan()
    except (OSError, ValidationError) as error:
        raise LearningError(
            f"{file} cannot be used ({first_line(error)})",
            "queue a new run with `nightschool run --new`",
        ) from None


def write_kept_plan(file: Path, plan: KeptPlan) -> None:
    """Write the plan so that the file is whole or absent, also after a crash."""
    files.write(file, _ADAPTER.dump_json(plan, indent=1))
