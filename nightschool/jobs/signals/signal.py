"""A signal: a value or unknown, with its source, its age and, where it is unknown, the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class Signal(Generic[T]):
    """What one source says. `value` is None where it is unknown, and `remark` then says why."""

    value: T | None
    source: str
    age_s: float = 0.0
    remark: str = ""


def unknown(source: str, remark: str) -> Signal[Any]:
    """What cannot be told, and why: one line."""
    return Signal(None, source, remark=remark)


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything the policy looks at, read at one moment.

    What a computer does not have is known to be absent: without a battery `on_ac` is true, without
    an NVIDIA GPU `gpu_programs` is empty, each with a source that says so. Unknown is only what is
    there and cannot be read.
    """

    idle_s: Signal[float]
    """Seconds since the owner's last input, in whatever session."""
    on_ac: Signal[bool]
    battery: Signal[float]
    """Charge in per cent, of the battery with the least; None with a remark where there is none."""
    gpu_programs: Signal[tuple[str, ...]]
    """Programs other than ours that compute on the GPU."""
    gpu_load: Signal[float]
    """Per cent of the time in which the GPU worked for programs other than ours."""
    gpu_temperature: Signal[float]
    """Degrees Celsius."""
    gpu_throttled: Signal[tuple[str, ...]]
    """Why the GPU is slowed down, as heat or its power limit."""
    cpu_load: Signal[float]
    """Per cent of all cores, used by programs other than ours."""
    disk_free: Signal[float]
    """Bytes free where the school lies."""
    session: Signal[str]
    """local, rdp or ssh; "none" where nobody is logged in."""
    presenting: Signal[str]
    """Who asked that the screen stays on or fills it (a film, a talk, a call); "": nobody."""
    lid_closed: Signal[bool]
    programs: Signal[tuple[str, ...]]
    """Those of the owner's exclusive programs that run."""
    suspending: Signal[bool]
    """Whether the computer has said that it is about to sleep."""
