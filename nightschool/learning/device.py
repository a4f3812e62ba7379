"""The device that trains and scores, its memory limit, and the lock that keeps other trainers off it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import torch

from nightschool.config import files
from nightschool.config.errors import DeviceBusy, LearningError
from nightschool.config.paths import School, locks_folder
from nightschool.config.settings import TrainSettings
from nightschool.learning.memory_plan import MemoryLimit, context_bytes
from nightschool.learning.precision import Precision, choose, cpu_has_bf16
from nightschool.stats.results import Choice

# Left to the desktop: windows, a browser's videos.
_MARGIN_BYTES = 300_000_000


@dataclass(frozen=True, slots=True)
class Device:
    """Where and how to compute, with the reasons."""

    torch: torch.device
    precision: Precision
    threads: int
    choices: tuple[Choice, ...]

    @property
    def label(self) -> str:
        """The device and its arithmetic; equal labels mean equal results. Part of a run's fingerprint."""
        name = self.torch.type
        if name == "cuda":
            name = torch.cuda.get_device_name(self.torch)
        elif name == "cpu":
            # Kernels for other instruction sets add in another order.
            cpu = torch.cpu.get_capabilities().get("cpu_name", name)
            name = f"{cpu} ({torch.backends.cpu.get_cpu_capability()})"
        return f"{name}, {self.precision.name}, {self.threads} threads"


def pick(settings: TrainSettings, began: str = "") -> Device:
    """Choose device, precision and threads, and make torch's arithmetic deterministic.

    `began` is the torch type of the device on which the run began, "" for a new run. Raises
    LearningError if the settings name a device that does not exist, DeviceBusy if the run's GPU is
    currently missing.
    """
    if began == "cuda" and not torch.cuda.is_available():
        raise DeviceBusy(
            "torch does not see the GPU on which this run began",
            "`nightschool doctor` shows why; to train on another device, `nightschool run --new`",
        )
    kind, why = _kind(settings.device)
    capability = torch.cuda.get_device_capability(0) if kind == "cuda" else None
    precision = choose(
        kind, capability, settings.precision,
        flash=torch.backends.cuda.is_flash_attention_available(), cpu_bf16=cpu_has_bf16(),
    )  # fmt: skip
    cores = os.cpu_count() or 1
    threads = settings.threads or cores
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # An error on CUDA: with `warn_only`, the backward pass of attention adds in an arbitrary order.
    torch.use_deterministic_algorithms(settings.exact, warn_only=kind != "cuda")
    # A debugging aid that costs time. (setattr: torch's stubs lack it.)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    choices = [
        Choice("device", kind, why),
        Choice("precision", precision.name, precision.reason),
        Choice(
            "threads", str(threads), "train.threads" if settings.threads else f"{cores} CPU cores"
        ),
    ]
    return Device(
        torch.device(kind, 0) if kind == "cuda" else torch.device(kind),
        precision,
        threads,
        tuple(choices),
    )


def memory_limit(device: Device, settings: TrainSettings) -> MemoryLimit | None:
    """The memory that training may use; None if it needs no plan (a CPU, or memory shared with it)."""
    if device.torch.type != "cuda":
        return None
    context = context_bytes(torch.cuda.get_device_properties(device.torch).multi_processor_count)
    free, total = torch.cuda.mem_get_info(device.torch)  # most of the context is already allocated
    margin = max(_MARGIN_BYTES, total // 25)
    requested = round(settings.memory_gb * 1e9) if settings.memory_gb else total
    return MemoryLimit(
        min(free + context - margin, requested), min(total - margin, requested), context
    )


def cap_memory(device: Device, most: MemoryLimit | None, graphs: int = 0) -> None:
    """Let torch fail instead of exceeding a limit: Windows would page to system memory, 10 times slower.

    torch does not allocate the CUDA context, nor the bytes of the `graphs`.
    """
    if most is not None:
        total = torch.cuda.get_device_properties(device.torch).total_memory
        share = max(0.0, min(1.0, (most.bytes - most.context - graphs) / total))
        torch.cuda.set_per_process_memory_fraction(share, device.torch)


@contextmanager
def memory_capped(device: Device, settings: TrainSettings) -> Iterator[None]:
    """A context within which torch keeps to the memory limit.

    Raises DeviceBusy if memory runs out in it because other programs hold much of it.
    """
    most = memory_limit(device, settings)
    cap_memory(device, most)
    try:
        yield
    except RuntimeError as error:
        if most is None or most.bytes > 0.9 * most.bytes_if_alone or not out_of_memory(error):
            raise
        raise DeviceBusy(
            f"out of GPU memory: {most.bytes / 1e9:.1f} of {most.bytes_if_alone / 1e9:.1f} GB are free, "
            "other programs hold the rest"
        ) from None


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device's memory ran out, in whichever library.

    If so, prints it to stderr, which is the child's log.
    """
    # Not all libraries raise torch.OutOfMemoryError. The last two are torch's texts on a CPU.
    words = ("out of memory", "ALLOC_FAILED", "can't allocate memory", "not enough memory")
    ran_out = isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )
    if ran_out:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return ran_out


def _kind(requested: str) -> tuple[str, str]:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if requested == "auto":
        if cuda:
            return "cuda", f"torch sees {torch.cuda.get_device_name(0)}"
        if mps:
            return "mps", "torch sees Apple's GPU"
        return "cpu", "torch sees no GPU"
    if (requested == "cuda" and not cuda) or (requested == "mps" and not mps):
        raise LearningError(
            f'train.device = "{requested}", but torch {torch.__version__} sees none',
            "`nightschool doctor` shows why",
        )
    return requested, "train.device"


def lock(school: School, device: Device, wait_s: float = 15.0) -> filelock.BaseFileLock:
    """Acquire the device lock: machine-wide for a GPU, school-wide for the CPU (which can be shared).

    The operating system releases it when the process dies. Raises DeviceBusy after `wait_s` seconds.
    """
    kind = device.torch.type
    folder: Path = school.state if kind == "cpu" else locks_folder()
    files.make_folder(folder)
    held = filelock.FileLock(folder / f"device-{kind}-{device.torch.index or 0}.lock", mode=0o600)
    try:
        held.acquire(timeout=wait_s)
    except filelock.Timeout:
        raise DeviceBusy(f"another nightschool process uses the device ({kind})") from None
    return held
