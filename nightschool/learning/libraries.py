"""Imports the libraries of a child process in two thirds of the usual time."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def load() -> None:
    """Import torch, bitsandbytes, transformers and peft.

    Every chunk pays for these imports once. On two CPU cores they take 6.2 s here and 8.9 s otherwise:
    1 s goes to garbage collection among modules that stay, and 2 s to the compiler behind
    `torch.compile`, which bitsandbytes calls on import. The functions that it would compile are used on
    Apple's GPUs, and elsewhere for shapes that its kernels do not support; uncompiled they do the same.
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
    """A context within which `torch.compile` returns functions unchanged, except on macOS."""
    import torch  # lazy: torch

    if sys.platform == "darwin":
        yield
        return
    usual = torch.compile
    torch.compile = lambda *given, **_: given[0] if given else lambda function: function  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compile = usual
