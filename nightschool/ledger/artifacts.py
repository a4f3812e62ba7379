"""The ledger's table `artifacts`: the sha256 of each file that a run's stages wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import DamagedFile, passes, unreadable
from nightschool.config.paths import School
from nightschool.ledger.records import StageName
from nightschool.ledger.store import Store

# By the path in `.nightschool`: what brings a file back.
_REMEDIES = (
    (
        r"models/.*",
        "`nightschool repair` makes it again if it can; else restore it, or use another model with "
        "`nightschool rollback`",
    ),
    (
        r"sides\.json",
        "`nightschool repair` makes it again from the datasets; without it, test notes could become "
        "training notes",
    ),
    (
        r"datasets/.*",
        "`nightschool repair` makes it again if the notes are as they were; else restore it, or "
        "`nightschool prep --new`",
    ),
)
_NEW_RUN = (
    "`nightschool repair` makes it again if it can; else restore it, or `nightschool run --new`"
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file as a stage wrote it: its path in `.nightschool` (with "/"), and its size in bytes."""

    path: str
    sha256: str
    size: int


class ArtifactTable(Store):
    """Records and lists the files that stages wrote; a file that is recorded again replaces its record."""

    def artifacts(self, run: int) -> dict[str, Artifact]:
        """The recorded files of a run, by path; empty for a run of a version that recorded none."""
        rows = self._rows("SELECT path, sha256, size FROM artifacts WHERE run = ?", run)
        return {row["path"]: Artifact(row["path"], row["sha256"], row["size"]) for row in rows}

    def artifact_stages(self, run: int) -> dict[str, StageName]:
        """The last stage that wrote each recorded file of a run, by path."""
        rows = self._rows("SELECT path, stage FROM artifacts WHERE run = ?", run)
        return {row["path"]: StageName(row["stage"]) for row in rows}

    def record_artifacts(self, run: int, stage: StageName, artifacts: Iterable[Artifact]) -> None:
        """Record files that were written after their stage had ended, such as by a repair."""
        with self._transaction():
            self._write_artifacts(run, stage, artifacts)

    def replace_artifact(self, artifact: Artifact) -> None:
        """Record a file anew, for every run that has a record of it, before it is rewritten."""
        with self._transaction() as db:
            db.execute(
                "UPDATE artifacts SET sha256 = ?, size = ? WHERE path = ?",
                (artifact.sha256, artifact.size, artifact.path),
            )

    def drop_artifacts(self, folder: str) -> None:
        """Remove the records of a folder's files, before they are written anew."""
        with self._transaction() as db:
            db.execute("DELETE FROM artifacts WHERE path GLOB ?", (f"{folder}/*",))

    def _write_artifacts(self, run: int, stage: StageName, artifacts: Iterable[Artifact]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO artifacts (run, stage, path, sha256, size) VALUES (?, ?, ?, ?, ?)",
            [(run, stage, a.path, a.sha256, a.size) for a in artifacts],
        )


def artifact_of(school: School, file: Path) -> Artifact:
    """A file as it is now. Raises OSError."""
    return Artifact(path_in(school, file), files.sha256(file), file.stat().st_size)


def path_in(school: School, file: Path) -> str:
    """The path of a file in `.nightschool`, with "/" on every system."""
    return file.relative_to(school.state).as_posix()


def damaged(file: Path, why: str) -> DamagedFile:
    """The error for a damaged file, with what makes it again."""
    return DamagedFile(f"{file} is damaged ({why})", remedy_of(file))


def unusable(file: Path, error: OSError) -> DamagedFile:
    """The error for a file that is missing or cannot be read, with what makes it again."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return DamagedFile(f"{file} is missing", remedy_of(file))
    if passes(error):
        return unreadable(file, error)
    return damaged(file, error.strerror or type(error).__name__)


def remedy_of(file: Path) -> str:
    """What brings a file of a school back."""
    for pattern, text in _REMEDIES:
        if re.search(rf"(?:^|/){pattern}$", file.as_posix()):
            return text
    return _NEW_RUN
