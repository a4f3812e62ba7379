"""A signal: a value, or unknown, with its source and age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class Signal(Generic[T]):
    """A reading of one source. `value` is None if it is unknown; `remark` then gives the reason."""

    value: T | None
    source: str
    age_s: float = 0.0
    remark: str = ""


def unknown(source: str, remark: str) -> Signal[Any]:
    """A signal without a value; `remark` is the reason, in one line."""
    return Signal(None, source, remark=remark)


@dataclass(frozen=True, slots=True)
class Signals:
    """All signals that the policy uses, read at one moment.

    Hardware that the computer lacks is not unknown: without a battery `on_ac` is true, without an
    NVIDIA GPU `gpu_programs` is empty, and the source says why. A signal is unknown only if its
    hardware exists and cannot be read.
    """

    idle_s: Signal[float]
    """Seconds since the owner's last input in any session."""
    on_ac: Signal[bool]
    battery: Signal[float]
    """Charge of the emptiest battery in percent; None with a remark if there is no battery."""
    gpu_programs: Signal[tuple[str, ...]]
    """Programs of others that compute on the GPU."""
    gpu_load: Signal[float]
    """Share of time in percent in which the GPU worked for programs of others."""
    gpu_temperature: Signal[float]
    """Degrees Celsius."""
    gpu_throttled: Signal[tuple[str, ...]]
    """What slows the GPU down, such as heat or its power limit."""
    cpu_load: Signal[float]
    """CPU load by programs of others, in percent of all cores."""
    disk_free: Signal[float]
    """Free bytes on the school's disk."""
    session: Signal[str]
    """local, rdp or ssh; "none" if nobody is logged in."""
    presenting: Signal[str]
    """The program that keeps the screen on or fills it (film, talk, call); "": none."""
    lid_closed: Signal[bool]
    programs: Signal[tuple[str, ...]]
    """The running programs among `night.exclusive`."""
    suspending: Signal[bool]
    """Whether the computer has announced that it is about to sleep."""
