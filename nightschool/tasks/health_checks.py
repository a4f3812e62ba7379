"""The checks of `doctor`: each a finding, a verdict, and what to do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nightschool
from nightschool.config.errors import ChildError, LedgerError, NotesError, QueueError
from nightschool.config.files import NOT_YOURS, forbidden
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.probe import DeviceProbe
from nightschool.ledger.ledger import Ledger
from nightschool.notes.readers import notes_path
from nightschool.scoring.server_client import Server, ServerError
from nightschool.stages.context import read_and_freeze
from nightschool.tasks.app import open_queue
from nightschool.tasks.child_queries import ask_to_probe

_WATCHED = (
    "torch", "transformers", "peft", "bitsandbytes", "huey", "apscheduler", "scikit-learn",
)  # fmt: skip
# A 3B base is 6 GB and 2 GB quantised, and a run's checkpoints and datasets stay under 2 GB.
_NEEDED_GB = 10.0
_ROOM = "make room there, or make the folder writable"
# How long a server may take to name its models.
_SERVER_S = 3.0


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One check. `remedy` is empty where there is nothing to do."""

    check: str
    finding: str
    verdict: Literal["ok", "warning", "problem"]
    remedy: str = ""


def examine(school: School, settings: Settings) -> Iterator[HealthCheck]:
    """All checks, the quick ones first."""
    yield _python()
    yield from _versions()
    yield _text_mode()
    yield _disk(school, settings)
    if place := _forbidden(school):
        yield HealthCheck("school", f"{place} cannot be written by this user", "problem", NOT_YOURS)
        yield _notes(school, settings)
        return
    yield _ledger(school)
    yield _queue(school, settings)
    yield _notes(school, settings)
    if settings.server.url:
        yield _server(settings)
    try:
        found = ask_to_probe(school, settings)
    except ChildError as error:
        yield HealthCheck(
            "torch", str(error), "problem", "set the environment up again: python go.py setup"
        )
        return
    except OSError as error:
        yield HealthCheck("torch", f"{error.filename}: {error.strerror}", "problem", _ROOM)
        return
    yield from _torch(found, settings)
    yield _base(found, settings)


def tested_versions() -> dict[str, str]:
    """The versions in constraints.txt, name -> version; empty where it was not installed along."""
    file = Path(nightschool.__file__).parents[1] / "constraints.txt"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    pairs = (re.match(r"([\w.-]+)==([^\s;]+)", line) for line in lines)
    return {pair[1].lower(): pair[2] for pair in pairs if pair}


def _python() -> HealthCheck:
    return HealthCheck("python", platform.python_version(), "ok")  # an older one cannot run this


def _versions() -> Iterator[HealthCheck]:
    tested = tested_versions()
    different, missing = [], []
    for name in _WATCHED:
        try:
            installed = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if installed != tested.get(name):
            different.append(f"{name} {installed} (tested: {tested.get(name, 'unknown')})")
    if missing:
        yield HealthCheck(
            "versions", f"not installed: {', '.join(missing)}", "problem", "python go.py setup"
        )
    if different:
        yield HealthCheck(
            "versions", ", ".join(different), "warning",
            "python go.py setup installs the tested set; other versions may train differently",
        )  # fmt: skip
    if not missing and not different:
        yield HealthCheck("versions", f"{', '.join(_WATCHED)} as tested", "ok")


def _text_mode() -> HealthCheck:
    if sys.flags.utf8_mode:
        return HealthCheck("text", "Python's UTF-8 mode is on", "ok")
    return HealthCheck("text", f"console {sys.stdout.encoding}; children run in UTF-8 mode", "ok")


def _disk(school: School, settings: Settings) -> HealthCheck:
    free = shutil.disk_usage(school.root).free / 1e9
    needed = 1.0 if settings.base == "demo" else _NEEDED_GB
    finding = f"{free:.1f} GB free in {school.root}"
    least = settings.night.min_disk_gb
    if free < least:
        return HealthCheck(
            "disk", f"{finding}: a run waits below {least:g} GB", "problem",
            f"make room, or set night.min_disk_gb to less than {least:g}",
        )  # fmt: skip
    if free < needed:
        return HealthCheck(
            "disk",
            finding,
            "warning",
            f"make room: a base model and checkpoints take up to {needed:.0f} GB",
        )
    return HealthCheck("disk", finding, "ok")


def _forbidden(school: School) -> Path | None:
    """What this user would have to write and may not."""
    kept = (school.state, school.ledger_file) if school.state.exists() else (school.root,)
    return next((place for place in kept if forbidden(place)), None)


def _ledger(school: School) -> HealthCheck:
    try:
        with Ledger(school.ledger_file) as ledger:
            runs = len(ledger.runs())
            count = "1 run" if runs == 1 else f"{runs} runs"
            return HealthCheck("ledger", f"{count} in {school.ledger_file}", "ok")
    except LedgerError as error:
        return HealthCheck("ledger", str(error), "problem", _ROOM)


def _queue(school: School, settings: Settings) -> HealthCheck:
    try:
        waiting = open_queue(school, settings.queue).count()
    except QueueError as error:
        return HealthCheck("queue", f"{settings.queue}: {error.message}", "problem", error.hint)
    return HealthCheck("queue", f"{settings.queue}, {waiting} messages waiting", "ok")


def _notes(school: School, settings: Settings) -> HealthCheck:
    try:
        reading, dataset = read_and_freeze(school, settings)
    except NotesError as error:
        return HealthCheck("notes", str(error), "problem", "`nightschool notes` says more")
    kinds = f"{len(dataset.items)} of {len(reading.notes)} notes with {len(dataset.kinds)} kinds"
    return HealthCheck("notes", f"{kinds} in {notes_path(school.root, settings)}", "ok")


def _server(settings: Settings) -> HealthCheck:
    """Whether the server that notes are to be sent to answers; no note is sent."""
    wanted = settings.server
    key = os.environ.get(wanted.api_key_env, "").strip() if wanted.api_key_env else ""
    try:
        models = Server(wanted.model_copy(update={"timeout_s": _SERVER_S}), key).models()
    except ServerError as error:
        return HealthCheck(
            "server", f"{wanted.url}: {error}", "warning",
            'start it before the run compares, or set server.url = ""',
        )  # fmt: skip
    if models and wanted.model not in models:
        known = ", ".join(models[:5])
        return HealthCheck(
            "server", f"{wanted.url} has no model {wanted.model}, but {known}", "warning",
            "set server.model, or fetch it there",
        )  # fmt: skip
    return HealthCheck("server", f"{wanted.url} offers {wanted.model}", "ok")


def _torch(found: DeviceProbe, settings: Settings) -> Iterator[HealthCheck]:
    build = f"torch {found.torch}, " + (
        f"CUDA {found.cuda_build}" if found.cuda_build else "no CUDA"
    )
    if not found.cuda_build and shutil.which("nvidia-smi"):
        yield HealthCheck(
            "torch",
            f"{build}, but there is an NVIDIA driver",
            "warning",
            "python go.py setup --torch cuda",
        )
    else:
        yield HealthCheck("torch", build, "ok")
    if found.device is None:
        yield HealthCheck(
            "device",
            found.device_error,
            "problem",
            'set train.device or train.precision to "auto"',
        )
        return
    precision = f"{found.precision}: {found.precision_reason}"
    if gpu := found.gpu:
        major, minor = gpu.capability
        memory = f"{gpu.free_gb:.1f} of {gpu.total_gb:.1f} GB free"
        finding = f"{gpu.name}, compute capability {major}.{minor}, {memory}"
        full = gpu.free_gb < 5.0
        yield HealthCheck(
            "device", finding, "warning" if full else "ok",
            "close programs that use the GPU: a 3B base needs about 5 GB" if full else "",
        )  # fmt: skip
    elif found.device == "cpu":
        yield HealthCheck(
            "device", "no GPU: training runs on the CPU",
            "ok" if settings.base == "demo" else "warning",
            "" if settings.base == "demo" else 'a 3B base would take days: base = "demo" takes minutes',
        )  # fmt: skip
    else:
        yield HealthCheck("device", found.device, "ok")
    yield HealthCheck("precision", precision, "ok")


def _base(found: DeviceProbe, settings: Settings) -> HealthCheck:
    if found.base_error:
        return HealthCheck("base", found.base_error, "problem", "set base in nightschool.toml")
    if found.base_folder is None:
        return HealthCheck(
            "base", f"{settings.base} is not on disk", "warning",
            "`nightschool prep` fetches it once (about 6 GB for a 3B model); after that no network is used",
        )  # fmt: skip
    return HealthCheck("base", found.base_folder, "ok")
