"""Pruning: deletes what no run, model or report needs any more; see `Ledger.prunable` for the rules.

A deletion is recorded before it happens. After a crash in between, the next pass deletes what is left.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nightschool.config import bounded_json, files
from nightschool.config.errors import ConfigError, LedgerError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.storage_use import bytes_of
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.prunings import Prunable
from nightschool.ledger.records import RunState

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PrunedPart:
    """Something that may go or is gone: its path in `.nightschool`, with "/", why, and its bytes."""

    path: str
    reason: str
    bytes: int


def prunable_parts(school: School, ledger: Ledger, keep: int) -> list[PrunedPart]:
    """What may go and is on the disk, with what `prune` leaves: caches of bases that are not in use."""
    parts = [
        PrunedPart(part.path, part.reason, sum(map(bytes_of, paths)))
        for part, paths in _on_disk(school, ledger.prunable(keep))
    ]
    return [*parts, *_unused_caches(school, ledger)]


def prune(school: School, ledger: Ledger, keep: int) -> list[PrunedPart]:
    """Delete what may go; the newest `keep` ended runs stay whole (0: all). Raises LedgerError.

    What cannot be deleted now, such as a file that is open on Windows, stays for the next pass.
    """
    present = _on_disk(school, ledger.prunable(keep))
    if not present:
        return []
    sizes = {part.path: sum(map(bytes_of, paths)) for part, paths in present}
    agreed = {part.path for part in ledger.record_prunings(sizes, keep)}
    pruned = []
    for part, paths in present:
        if part.path in agreed and _remove(paths):
            pruned.append(PrunedPart(part.path, part.reason, sizes[part.path]))
    return pruned


def prune_caches(school: School, ledger: Ledger) -> list[PrunedPart]:
    """Delete the quantised bases that are not in use."""
    parts = _unused_caches(school, ledger)
    return [part for part in parts if _remove([school.state / part.path])]


def prune_as_set(school: School) -> None:
    """Prune as `storage.keep_runs` says; a problem is logged, and the next pass tries again."""
    try:
        keep = load(school.settings_file).storage.keep_runs
        with Ledger(school.ledger_file) as ledger:
            prune(school, ledger, keep)
    except (ConfigError, LedgerError, OSError) as error:
        _log.warning("old files are not deleted: %s", error)


def _on_disk(school: School, parts: Iterable[Prunable]) -> list[tuple[Prunable, list[Path]]]:
    """The parts of which something is on the disk, each with its paths."""
    present: dict[str, tuple[Prunable, list[Path]]] = {}
    for part in parts:
        if part.copy and not (school.state / part.copy).exists():
            continue
        if paths := sorted(school.state.glob(part.path)):
            present.setdefault(part.path, (part, paths))
    return list(present.values())


def _remove(paths: Iterable[Path]) -> bool:
    try:
        for path in paths:
            files.remove(path)
    except OSError as error:
        _log.warning("%s is not deleted: %s", error.filename, error.strerror)
        return False
    return True


def _unused_caches(school: School, ledger: Ledger) -> list[PrunedPart]:
    """All quantised bases but the newest of each base in use; none while a run is at work."""
    next_run = ledger.next_run()
    if not school.quantised.is_dir() or (next_run and next_run.state is RunState.RUNNING):
        return []
    in_use = _bases_in_use(school, ledger)
    caches = sorted(
        (path for path in school.quantised.iterdir() if (path / "manifest.json").is_file()),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True,
    )
    unused = []
    for cache in caches:
        base = _base_of(cache)
        if base in in_use:
            in_use.remove(base)
        else:
            path = cache.relative_to(school.state).as_posix()
            unused.append(PrunedPart(path, "no model in use needs this base", bytes_of(cache)))
    return unused


def _bases_in_use(school: School, ledger: Ledger) -> set[str]:
    """The fingerprints of the bases of the newest run and of the models that can be rolled back to."""
    newest = ledger.newest_run()
    runs = {*ledger.promotions(), *([newest.id] if newest else [])}
    return {
        base
        for run in runs
        if (base := _field(school.run_folder(run) / "prep.json", "base_fingerprint"))
    }


def _base_of(cache: Path) -> str:
    return _field(cache / "manifest.json", "made_of", "base")


def _field(file: Path, *keys: str) -> str:
    """A value in a JSON file; "" if there is none."""
    try:
        value = bounded_json.read(file)
        for key in keys:
            value = value[key]
        return str(value)
    except (OSError, ValueError, KeyError, TypeError):
        return ""
