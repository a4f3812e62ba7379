"""The service of a school: installed, removed, and what there is to tell about it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import ServiceError
from nightschool.config.paths import SETTINGS_NAME, School
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.service.backends import Kind, kinds_here
from nightschool.jobs.service.drives import removable_drive
from nightschool.jobs.service.worker_command import PREFIX, WorkerCommand


@dataclass(frozen=True, slots=True)
class Installed:
    """A service file that is there; `school` and `python` are None where it cannot be read."""

    kind: Kind
    name: str
    school: Path | None
    python: Path | None

    @property
    def file(self) -> Path:
        return file_of(self.kind, self.name)

    def stale(self) -> list[str]:
        """Why it no longer does what it should, one reason an entry."""
        if self.school is None or self.python is None:
            return ["its file was changed by hand or damaged"]
        reasons = []
        if not self.python.exists():
            reasons.append(f"its Python is gone ({self.python})")
        if not (self.school / SETTINGS_NAME).is_file():
            reasons.append(f"there is no school in {self.school} any more")
        return reasons

    def running(self) -> bool | None:
        return self.kind.running(self.name)

    def worker(self) -> int | None:
        """The process id of the school's worker, whoever started it; see `worker_alive`."""
        if self.school is None or not (self.school / SETTINGS_NAME).is_file():
            return None
        return worker_alive(School(self.school))

    def log(self) -> str:
        return self.kind.log(self.name, self.school or Path())


def file_of(kind: Kind, name: str) -> Path:
    return kind.folder / f"{name}{kind.suffix}"


def installed() -> list[Installed]:
    """All services of this user, by name."""
    found = []
    for kind in kinds_here():
        for file in sorted(kind.folder.glob(f"{PREFIX}*{kind.suffix}")):
            school = python = None
            with contextlib.suppress(OSError, ValueError):
                command = kind.command(_read(kind, file))
                school = Path(command[command.index("--school") + 1])
                python = Path(command[0])
            found.append(Installed(kind, file.name.removesuffix(kind.suffix), school, python))
    return found


def check(kind: Kind, work: WorkerCommand, removable: bool) -> None:
    """Raise ServiceError where a service would not do what its owner expects."""
    drive = None if removable else removable_drive(work.school)
    if drive:
        raise ServiceError(
            f"{work.school} lies on a removable drive ({drive}), which may not be there at login: "
            "move the school, or install with --removable"
        )
    try:
        pid = worker_alive(School(work.school))
    except OSError as error:
        raise ServiceError(f"{work.school} cannot be written to ({error.strerror})") from None
    if pid is not None and kind.running(work.name) is False:
        raise ServiceError(
            f"a worker that you started (process {pid or 'unknown'}) holds {work.school}: "
            "end it with Ctrl-C, then install the service"
        )


def install(kind: Kind, work: WorkerCommand) -> str:
    """Write the file and start the worker; "new", "changed" or "same" tells what the file was.

    Raises ServiceError where the file cannot be written or the system refuses it.
    """
    file = file_of(kind, work.name)
    text = kind.text(work)
    before = file_state(kind, work)
    for other in installed():  # of another kind, from before: two would fight for the school
        if other.name == work.name and other.kind.title != kind.title:
            uninstall(other)
    if before != "same":
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(f".{file.name}.new")
            aside.write_text(text, encoding=kind.encoding, newline="\n")
            files.replace(aside, file)
        except OSError as error:
            raise ServiceError(f"{file} cannot be written ({error.strerror})") from None
    kind.start(work.name, before == "changed")
    return before


def file_state(kind: Kind, work: WorkerCommand) -> str:
    """What is there before an installation: "new" (nothing), "same", or "changed" (another text)."""
    try:
        there = _read(kind, file_of(kind, work.name))
    except FileNotFoundError:
        return "new"
    except (OSError, ValueError):
        return "changed"
    return "same" if there == kind.text(work) else "changed"


def uninstall(service: Installed) -> None:
    """End the worker and remove the file; raises ServiceError where it cannot be removed."""
    service.kind.stop(service.name)
    try:
        service.file.unlink(missing_ok=True)
    except OSError as error:
        raise ServiceError(f"{service.file} cannot be removed ({error.strerror})") from None
    service.kind.forget(service.name)


def _read(kind: Kind, file: Path) -> str:
    return file.read_text(encoding=kind.encoding)
