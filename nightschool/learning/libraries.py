"""The libraries of a child process that loads a base, imported in two thirds of the usual time."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def load() -> None:
    """Import torch, bitsandbytes, transformers and peft.

    Every chunk pays for that once. On two CPU cores it takes 6.2 s like this, 8.9 s as it comes: 1 s
    for looking for garbage among modules that stay, 2 s for the compiler behind `torch.compile`, which
    bitsandbytes asks for as it is imported. What it would compile is used by Apple's GPUs, and elsewhere
    where its kernels do not take a shape; there it does the same uncompiled.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with _uncompiled():
            importlib.import_module("bitsandbytes")
        importlib.import_module("peft")
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Within, `torch.compile` gives a function back as it is, where no function is ever compiled."""
    import torch

    if sys.platform == "darwin":
        yield
        return
    usual = torch.compile
    torch.compile = lambda *given, **_: given[0] if given else lambda function: function  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compile = usual
