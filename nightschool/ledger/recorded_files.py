"""The files that a run's stages recorded, to verify each when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nightschool.config import files
from nightschool.config.paths import School
from nightschool.ledger.artifacts import Artifact, damaged, path_in, unusable
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.lost import refuse_lost


@dataclass(frozen=True, slots=True)
class RecordedFiles:
    """The files of a run that the ledger has a record of, to check before they are read."""

    school: School
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)

    def __contains__(self, file: Path) -> bool:
        return path_in(self.school, file) in self.artifacts

    def check(self, file: Path) -> None:
        """Raises DamagedFile if a recorded file is missing or changed; a file without a record passes."""
        recorded = self.artifacts.get(path_in(self.school, file))
        if recorded is None:
            return
        try:
            changed = files.sha256(file) != recorded.sha256
        except OSError as error:
            raise unusable(file, error) from None
        if changed:
            raise damaged(file, "it differs from its record")

    def check_folder(self, folder: Path) -> None:
        """Check each recorded file in a folder; raises DamagedFile."""
        start = path_in(self.school, folder) + "/"
        for path in self.artifacts:
            if path.startswith(start):
                self.check(self.school.state / path)


def recorded_files(school: School, run: int) -> RecordedFiles:
    """The recorded files of a run; none before there is a ledger. Raises LedgerError."""
    if not school.ledger_file.exists():
        refuse_lost(school.ledger_file)
        return RecordedFiles(school)
    with Ledger(school.ledger_file, writes=False) as ledger:
        return RecordedFiles(school, ledger.artifacts(run))
