"""What a run decides before its first step and keeps for all its chunks: `runs/N/plan.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from nightschool.config import files
from nightschool.config.checksums import verify_checksum, with_checksum
from nightschool.config.errors import first_line
from nightschool.learning.memory_plan import MemoryPlan
from nightschool.learning.time_model import Pace, QuickPlan
from nightschool.ledger.artifacts import damaged, unusable
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
    """The plan in a file; an empty one if there is no file. Raises DamagedFile."""
    try:
        content = files.read(file)
        verify_checksum(content)
        plan = _ADAPTER.validate_json(content)
    except FileNotFoundError:
        return KeptPlan()
    except OSError as error:
        raise unusable(file, error) from None
    except ValueError as error:
        raise damaged(file, first_line(error)) from None
    if not plan.device:  # a plan is kept from the choice of the device on
        raise damaged(file, "it names no device")
    return plan


def write_kept_plan(file: Path, plan: KeptPlan) -> None:
    """Write the plan so that the file is whole or absent, also after a crash."""
    files.write(file, with_checksum(_ADAPTER.dump_json(plan, indent=1).decode()))
