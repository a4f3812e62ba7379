"""The checks of `doctor`: each has a finding, a verdict and a remedy."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import nightschool
from nightschool.config.current_folder import program
from nightschool.config.errors import (
    ChildError,
    LedgerElsewhere,
    LedgerError,
    NotesError,
    QueueError,
    UnsafeFileSystem,
)
from nightschool.config.file_systems import (
    SYNCHRONISED,
    check_file_system,
    file_system,
    synchronised_by,
)
from nightschool.config.files import NOT_YOURS, forbidden
from nightschool.config.paths import School
from nightschool.config.printable import listed
from nightschool.config.settings import Settings
from nightschool.config.trusted_schools import reaches
from nightschool.learning.probe import DeviceProbe
from nightschool.ledger.ledger import Ledger
from nightschool.notes.labels import read_labels
from nightschool.notes.notes_places import in_words, notes_places
from nightschool.reports.text.wording import counted
from nightschool.scoring.server_client import Server, ServerError
from nightschool.stages.first_look import look
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.kind_advice import kind_advice
from nightschool.tasks.app import open_queue
from nightschool.tasks.child_queries import ask_to_probe

_CHECKED_LIBRARIES = (
    "torch", "transformers", "peft", "bitsandbytes", "huey", "apscheduler", "scikit-learn",
)  # fmt: skip
# A 3B base model is 6 GB, and 2 GB quantised; a run's checkpoints and datasets stay below 2 GB.
_NEEDED_GB = 10.0
_ROOM = "free some space there, or make the folder writable"
# How long a server may take to list its models.
_SERVER_LIMIT_S = 3.0


class HealthVerdict(StrEnum):
    """What a finding means for a run."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One check. `remedy` is empty if there is nothing to do."""

    check: str
    finding: str
    verdict: HealthVerdict
    remedy: str = ""


def examine(school: School, settings: Settings) -> Iterator[HealthCheck]:
    """All checks, the quick ones first."""
    yield _python()
    yield from _versions()
    yield _text_mode()
    yield _disk(school, settings)
    yield _outside(school, settings)
    if place := _unwritable(school):
        yield HealthCheck(
            "school", f"{place} cannot be written by this user", HealthVerdict.PROBLEM, NOT_YOURS
        )
        yield from _notes(school, settings)
        return
    yield _file_system(school)
    ledger = _ledger(school)
    yield ledger
    if ledger.verdict is HealthVerdict.OK:  # else somebody else may be writing the queue
        yield _queue(school, settings)
    yield from _notes(school, settings)
    if settings.server.url:
        yield _server(settings)
    try:
        probe = ask_to_probe(school, settings)
    except ChildError as error:
        yield HealthCheck(
            "torch",
            str(error),
            HealthVerdict.PROBLEM,
            "set another base if the message names the base; otherwise: python go.py setup",
        )
        return
    except OSError as error:
        yield HealthCheck(
            "torch", f"{error.filename}: {error.strerror}", HealthVerdict.PROBLEM, _ROOM
        )
        return
    yield from _torch(probe, settings)
    yield _base(probe, settings)


def tested_versions() -> dict[str, str]:
    """The versions in constraints.txt, by name; empty if that file was not installed with the program."""
    file = Path(nightschool.__file__).parents[1] / "constraints.txt"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    pairs = (re.match(r"([\w.-]+)==([^\s;]+)", line) for line in lines)
    return {pair[1].lower(): pair[2] for pair in pairs if pair}


def _python() -> HealthCheck:
    return HealthCheck(
        "python", platform.python_version(), HealthVerdict.OK
    )  # an older one cannot start the program


def _versions() -> Iterator[HealthCheck]:
    tested = tested_versions()
    different, missing = [], []
    for name in _CHECKED_LIBRARIES:
        try:
            installed = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if installed != tested.get(name):
            different.append(f"{name} {installed} (tested: {tested.get(name, 'unknown')})")
    if missing:
        yield HealthCheck(
            "versions",
            f"not installed: {', '.join(missing)}",
            HealthVerdict.PROBLEM,
            "python go.py setup",
        )
    if different:
        yield HealthCheck(
            "versions", ", ".join(different), HealthVerdict.WARNING,
            "python go.py setup installs the tested versions; others may train differently",
        )  # fmt: skip
    if not missing and not different:
        yield HealthCheck(
            "versions", f"{', '.join(_CHECKED_LIBRARIES)} as tested", HealthVerdict.OK
        )


def _text_mode() -> HealthCheck:
    if sys.flags.utf8_mode:
        return HealthCheck("text", "Python's UTF-8 mode is on", HealthVerdict.OK)
    return HealthCheck(
        "text", f"console {sys.stdout.encoding}; children run in UTF-8 mode", HealthVerdict.OK
    )


def _disk(school: School, settings: Settings) -> HealthCheck:
    free = shutil.disk_usage(school.root).free / 1e9
    needed = 1.0 if settings.base == "demo" else _NEEDED_GB
    finding = f"{free:.1f} GB free in {school.root}"
    least = settings.night.min_disk_gb
    if free < least:
        return HealthCheck(
            "disk", f"{finding}: a run waits below {least:g} GB", HealthVerdict.PROBLEM,
            f"free some space, or set night.min_disk_gb to less than {least:g}",
        )  # fmt: skip
    if free < needed:
        return HealthCheck(
            "disk",
            finding,
            HealthVerdict.WARNING,
            f"free some space: a base model and checkpoints take up to {needed:.0f} GB",
        )
    return HealthCheck("disk", finding, HealthVerdict.OK)


def _outside(school: School, settings: Settings) -> HealthCheck:
    """What the settings reach outside the school; it is trusted, or `doctor` would not have come here."""
    texts = [f"{each.text} ({each.setting})" for each in reaches(school, settings) if each.text]
    return HealthCheck(
        "outside", "; ".join(texts) or "the school reaches nothing else", HealthVerdict.OK
    )


def _unwritable(school: School) -> Path | None:
    """What a run must write but this user may not."""
    places = (school.state, school.ledger_file) if school.state.exists() else (school.root,)
    return next((place for place in places if forbidden(place)), None)


def _file_system(school: School) -> HealthCheck:
    """Whether two workers would see each other, and what is known of the folder."""
    try:
        check_file_system(school.state if school.state.exists() else school.root)
    except UnsafeFileSystem as error:
        return HealthCheck("files", error.message, HealthVerdict.PROBLEM, error.hint)
    except OSError as error:
        return HealthCheck(
            "files", f"{school.root}: {error.strerror}", HealthVerdict.PROBLEM, _ROOM
        )
    kind = file_system(school.root)
    if copier := synchronised_by(school.root):
        return HealthCheck("files", f"{copier} {SYNCHRONISED}", HealthVerdict.WARNING,
                           "keep the school elsewhere; the notes may stay there")  # fmt: skip
    if not kind.local:
        return HealthCheck(
            "files", f"{kind.name}: another computer may write here, too; one at a time can work",
            HealthVerdict.WARNING, "a local disk is faster; the notes may stay there",
        )  # fmt: skip
    return HealthCheck("files", kind.name, HealthVerdict.OK)


def _ledger(school: School) -> HealthCheck:
    try:
        with Ledger(school.ledger_file) as ledger:
            runs = ledger.count_runs()
            count = "1 run" if runs == 1 else f"{runs} runs"
            return HealthCheck("ledger", f"{count} in {school.ledger_file}", HealthVerdict.OK)
    except LedgerElsewhere as error:
        return HealthCheck("ledger", error.message, HealthVerdict.WARNING, error.hint)
    except LedgerError as error:
        return HealthCheck("ledger", error.message, HealthVerdict.PROBLEM, error.hint or _ROOM)


def _queue(school: School, settings: Settings) -> HealthCheck:
    try:
        waiting = open_queue(school, settings.queue.reveal()).count()
    except QueueError as error:
        return HealthCheck(
            "queue", f"{settings.queue}: {error.message}", HealthVerdict.PROBLEM, error.hint
        )
    finding = f"{settings.queue}, {counted(waiting, 'message')} waiting"
    return HealthCheck("queue", finding, HealthVerdict.OK)


def _notes(school: School, settings: Settings) -> Iterator[HealthCheck]:
    """Whether a run could freeze the notes, and whether [kinds] covers what they name."""
    places = notes_places(school.root, settings.notes)
    try:
        reading, dataset = read_and_freeze(school, settings)
    except NotesError as error:
        yield HealthCheck(
            "notes", str(error), HealthVerdict.PROBLEM, "`nightschool notes` has details"
        )
    else:
        kinds = (
            f"{len(dataset.items)} of {len(reading.notes)} notes with {len(dataset.kinds)} kinds"
        )
        yield HealthCheck("notes", f"{kinds} in {in_words(places)}", HealthVerdict.OK)
    try:
        labels = read_labels(school.labels_file)
        advice = kind_advice(look(places, settings.notes), settings, labels)
    except NotesError:
        return
    unlisted = f"not under [kinds]: {listed(advice.unlisted)}"
    if advice.odd:
        update = "`nightschool init --update` adds what it proposes"
        remedy = update if advice.changes else "correct [kinds], or add notes of these kinds"
        finding = "; ".join([*advice.odd, *([unlisted] if advice.unlisted else [])])
        yield HealthCheck("kinds", finding, HealthVerdict.WARNING, remedy)
    elif advice.unlisted:
        yield HealthCheck("kinds", unlisted, HealthVerdict.OK)  # you may have left them out


def _server(settings: Settings) -> HealthCheck:
    """Whether the server that answers notes is up and has the model; no note is sent."""
    server = settings.server
    key = os.environ.get(server.api_key_env, "").strip() if server.api_key_env else ""
    try:
        models = Server(server.model_copy(update={"timeout_s": _SERVER_LIMIT_S}), key).models()
    except ServerError as error:
        return HealthCheck(
            "server", f"{server.url}: {error}", HealthVerdict.WARNING,
            'start it before the run reaches the compare stage, or set server.url = ""',
        )  # fmt: skip
    if models and server.model not in models:
        offered = ", ".join(models[:5])
        return HealthCheck(
            "server", f"{server.url} has no model {server.model}, only {offered}", HealthVerdict.WARNING,
            "set server.model, or install the model there",
        )  # fmt: skip
    return HealthCheck("server", f"{server.url} offers {server.model}", HealthVerdict.OK)


def _torch(probe: DeviceProbe, settings: Settings) -> Iterator[HealthCheck]:
    build = f"torch {probe.torch}, " + (
        f"CUDA {probe.cuda_build}" if probe.cuda_build else "no CUDA"
    )
    if not probe.cuda_build and program("nvidia-smi"):
        yield HealthCheck(
            "torch",
            f"{build}, although there is an NVIDIA driver",
            HealthVerdict.WARNING,
            "python go.py setup --torch cuda",
        )
    else:
        yield HealthCheck("torch", build, HealthVerdict.OK)
    if probe.device is None:
        yield HealthCheck(
            "device",
            probe.device_error,
            HealthVerdict.PROBLEM,
            'set train.device or train.precision to "auto"',
        )
        return
    precision = f"{probe.precision}: {probe.precision_reason}"
    if gpu := probe.gpu:
        major, minor = gpu.capability
        memory = f"{gpu.free_gb:.1f} of {gpu.total_gb:.1f} GB free"
        finding = f"{gpu.name}, compute capability {major}.{minor}, {memory}"
        full = gpu.free_gb < 5.0
        yield HealthCheck(
            "device", finding, HealthVerdict.WARNING if full else HealthVerdict.OK,
            "close programs that use the GPU: a 3B base model needs about 5 GB" if full else "",
        )  # fmt: skip
    elif probe.device == "cpu":
        yield HealthCheck(
            "device", "no GPU: training runs on the CPU",
            HealthVerdict.OK if settings.base == "demo" else HealthVerdict.WARNING,
            "" if settings.base == "demo" else 'a 3B base model takes days; base = "demo" takes minutes',
        )  # fmt: skip
    else:
        yield HealthCheck("device", probe.device, HealthVerdict.OK)
    yield HealthCheck("precision", precision, HealthVerdict.OK)


def _base(probe: DeviceProbe, settings: Settings) -> HealthCheck:
    if probe.base_error:
        return HealthCheck(
            "base", probe.base_error, HealthVerdict.PROBLEM, "set base in nightschool.toml"
        )
    if probe.base_folder is None:
        return HealthCheck(
            "base", f"{settings.base} is not on disk", HealthVerdict.WARNING,
            "`nightschool prep` downloads it once (about 6 GB for a 3B model); after that no network is used",
        )  # fmt: skip
    return HealthCheck("base", probe.base_folder, HealthVerdict.OK)
