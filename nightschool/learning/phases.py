"""Phases of a child process that may take only so long: announced here, watched by its parent.

What a base model brings along (a tokenizer, a chat template) may take for ever or all memory, even within a
single call that nothing in the process can interrupt. Only another process can end that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict

_MINUTE, _HOUR = 60.0, 3600.0
# Slower than any disk in use: a loading that takes longer hangs.
_LEAST_BYTES_PER_S = 2e6


class Phase(BaseModel):
    """What a child does, and its limits; None: no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """What takes place, for messages: "the chat template"."""
    silent_s: float
    """Seconds without a message after which the process counts as hung; it is started again later."""
    processor_s: float | None = None
    """Seconds of processor time. A base that takes more is refused."""
    memory: int | None = None
    """Bytes by which the process may grow. A base that takes more is refused."""


# Imports from a slow disk.
START = Phase(name="starting", silent_s=15 * _MINUTE)
# Between two calls of `should_stop`: a micro-batch of a large base on a slow CPU takes many minutes.
WORK = Phase(name="working", silent_s=_HOUR)
# The hub's client ends a stalled connection by itself.
DOWNLOAD = Phase(name="downloading the base", silent_s=24 * _HOUR)
# The largest tokenizers in use (a vocabulary of 262,000) take 2 s and 0.7 GB.
TOKENIZER = Phase(
    name="the base's tokenizer", silent_s=15 * _MINUTE, processor_s=60, memory=2_000_000_000
)
# A usual template takes a millisecond and no memory to speak of.
TEMPLATE = Phase(
    name="the base's chat template", silent_s=15 * _MINUTE, processor_s=20, memory=500_000_000
)


def loading(size: int) -> Phase:
    """Loading weights of `size` bytes.

    At most, they are in memory as a file and in float32, and one more time while they are moved or
    quantised; 4 GB are for libraries and a CUDA context.
    """
    return Phase(
        name="loading the base",
        silent_s=15 * _MINUTE + size / _LEAST_BYTES_PER_S,
        memory=4 * size + 4_000_000_000,
    )


_current = WORK
_listeners: list[Callable[[Phase], None]] = []


def listen(listener: Callable[[Phase], None]) -> None:
    """Call `listener` whenever a phase of this process begins."""
    _listeners.append(listener)


@contextmanager
def phase(entered: Phase) -> Iterator[None]:
    """A context that is a phase of this process; the one before goes on after it."""
    outer = _current
    _enter(entered)
    try:
        yield
    finally:
        _enter(outer)


def _enter(entered: Phase) -> None:
    global _current
    _current = entered
    for listener in _listeners:
        listener(entered)
