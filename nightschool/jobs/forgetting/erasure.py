"""Erasing the traces of notes from every file of a school and from its ledger.

Any step may be repeated. The datasets come last: what is to be erased elsewhere is known from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from nightschool.config import files
from nightschool.config.checksums import with_checksum
from nightschool.config.errors import DamagedFile, ReportError, RequestError
from nightschool.config.folder_walk import walk
from nightschool.config.paths import School
from nightschool.jobs.forgetting.selection import Selection, read_json
from nightschool.jobs.forgetting.traces import Traces
from nightschool.ledger.artifacts import Artifact, artifact_of, path_in
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, StageState
from nightschool.notes.dataset import load, without, write
from nightschool.notes.split_assignments import remove_split_assignments
from nightschool.reports.report_file import read
from nightschool.stages.exposure import fingerprint_of_test

_WITHOUT_TEXT = ("checkpoints", "adapter", "models", "quantised", "datasets")
"""Folders that hold weights only, and the datasets, which are rewritten as a whole."""
_JSON = (".json", ".jsonl")
_SKIPPED = (".png", ".db", ".db-wal", ".db-shm", ".lock", ".html", ".safetensors")
_LARGEST = 1 << 30  # bytes of a text file
_UNTRAINED = ("checkpoints", "adapter", "seconds.json", "trained.json")


def erase(school: School, ledger: Ledger, selection: Selection) -> None:
    """Erase all traces, in every file and in the ledger. Raises OSError, LedgerError, DamagedFile."""
    traces = selection.traces
    files.clean(school.state)
    files.remove(school.inventory_file)
    files.remove(school.set_aside)
    _restart_training(school, ledger, selection)
    _erase_labels(school.labels_file, traces)
    for folder in sorted(school.state.glob("runs/*/report")):
        _erase_report(school, ledger, folder, traces)
    for file in _text_files(school):
        _erase_from(school, ledger, file, traces)
    ledger.rewrite_texts(traces.any_text)
    remove_split_assignments(school.split_assignments_file, traces.ids)
    for manifest in sorted(school.datasets.glob("*/manifest.json")):
        _erase_from_dataset(school, ledger, manifest.parent, traces)


def files_with_traces(school: School, traces: Traces) -> list[str]:
    """The files of `.nightschool` that still hold a name or a line of a text, to say so."""
    needles = traces.needles()
    found = []
    for path, _, names in walk(school.state):
        for name in names:
            file = Path(path, name)
            if file.suffix in (".safetensors", ".lock") or not file.is_file():
                continue
            if _holds(file, needles):
                found.append(file.relative_to(school.state).as_posix())
    return sorted(found)


def _restart_training(school: School, ledger: Ledger, selection: Selection) -> None:
    """Delete what unfinished trainings on these notes have reached: they start over, without the notes.

    Of the plan only the device stays; the baseline was computed on it.
    """
    for affected in selection.runs:
        if ledger.stage(affected.run, StageName.TRAIN).state is StageState.DONE:
            continue
        folder = school.run_folder(affected.run)
        for name in _UNTRAINED:
            for path in (folder / name, *folder.glob(f"seed-*/{name}")):
                files.remove(path)
        if plan := read_json(folder / "plan.json"):
            kept = {key: plan[key] for key in ("version", "device") if key in plan}
            text = with_checksum(json.dumps(kept))
            _replace(school, ledger, folder / "plan.json", text.encode())


def _text_files(school: School) -> Iterator[Path]:
    for path, folders, names in walk(school.state):
        folders[:] = sorted(name for name in folders if name not in _WITHOUT_TEXT)
        for name in sorted(names):
            file = Path(path, name)
            if file.suffix not in _SKIPPED and file.is_file() and not file.is_symlink():
                yield file


def _without_traces(file: Path, traces: Traces) -> bytes | None:
    """What a file holds without the traces; None if it has none."""
    before = files.read(file, _LARGEST).decode("utf-8", "surrogateescape")
    after = traces.without_json(before) if file.suffix in _JSON else traces.without_text(before)
    return None if after == before else after.encode("utf-8", "surrogateescape")


def _erase_from(school: School, ledger: Ledger, file: Path, traces: Traces) -> None:
    if (content := _without_traces(file, traces)) is not None:
        _replace(school, ledger, file, content)


def _replace(school: School, ledger: Ledger, file: Path, content: bytes) -> None:
    """Replace a file; its new digest is recorded first, so that a crash leaves what is replaced again."""
    digest = hashlib.sha256(content).hexdigest()
    ledger.replace_artifact(Artifact(path_in(school, file), digest, len(content)))
    files.write(file, content)


def _erase_labels(file: Path, traces: Traces) -> None:
    if file.exists() and (content := _without_traces(file, traces)) is not None:
        files.rewrite(file, content)


def _erase_report(school: School, ledger: Ledger, folder: Path, traces: Traces) -> None:
    """Rewrite a report, and make its page again if it may hold a trace or a crash has left none."""
    file, page = folder / "report.json", folder / "report.html"
    if not file.exists():
        files.remove(page)
        return
    content = _without_traces(file, traces)
    if content is not None or (page.exists() and _holds(page, traces.needles())):
        files.remove(page)  # first: a crash must not leave it
    if page.exists():
        return
    ledger.drop_artifacts(path_in(school, folder))
    if content is not None:
        files.write(file, content)
    try:
        report = read(file)
    except (ReportError, DamagedFile):
        return
    from nightschool.reports.writer import write as write_report  # lazy: matplotlib

    write_report(report, folder)
    written = [artifact_of(school, path) for path in sorted(folder.iterdir())]
    run = int(folder.parent.name)
    with suppress(RequestError):  # a run of a ledger that is gone
        ledger.run(run)
        ledger.record_artifacts(run, StageName.COMPARE, written)


def _holds(file: Path, needles: Iterable[bytes]) -> bool:
    content = files.read(file, _LARGEST)
    return any(needle in content for needle in needles)


def _erase_from_dataset(school: School, ledger: Ledger, folder: Path, traces: Traces) -> None:
    """Replace a dataset by one without the notes, under its new fingerprint, and what refers to it."""
    dataset = load(folder)
    if not any(item.id in traces.ids for item in dataset.items):
        _erase_from(school, ledger, folder / "manifest.json", traces)  # a warning may name a note
        return
    warnings = tuple(traces.without(list(dataset.warnings)))
    smaller = without(dataset, traces.ids, warnings)
    final = school.datasets / smaller.fingerprint[:16]
    write(smaller, final)
    for file in sorted(school.state.glob("runs/*/prep.json")):
        content = read_json(file)
        if content.get("dataset") == folder.name:
            content |= {"dataset": final.name, "fingerprint": smaller.fingerprint}
            checked = content.pop("sha256", "")
            text = json.dumps(content, ensure_ascii=False, indent=1)
            _replace(school, ledger, file, (with_checksum(text) if checked else text).encode())
    ledger.rename_dataset(
        dataset.fingerprint,
        smaller.fingerprint,
        fingerprint_of_test(smaller),
        [artifact_of(school, path) for path in sorted(final.iterdir())],
    )
    files.remove(folder)
