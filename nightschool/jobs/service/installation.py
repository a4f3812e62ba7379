"""Install, remove and inspect the services of this user's schools."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import ServiceError
from nightschool.config.paths import SETTINGS_NAME, School
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.service.backends import ServiceBackend, system_backends
from nightschool.jobs.service.drives import removable_drive
from nightschool.jobs.service.worker_command import PREFIX, WorkerCommand


class FileState(StrEnum):
    """A service's file, compared with what an installation would write."""

    NEW = "new"
    """There is no file yet."""
    SAME = "same"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class InstalledService:
    """An existing service file; `school` and `python` are None if it cannot be read."""

    backend: ServiceBackend
    name: str
    school: Path | None
    python: Path | None

    @property
    def file(self) -> Path:
        return service_file(self.backend, self.name)

    def stale(self) -> list[str]:
        """The reasons why the service no longer works."""
        if self.school is None or self.python is None:
            return ["its file was edited or damaged"]
        reasons = []
        if not self.python.exists():
            reasons.append(f"its Python no longer exists ({self.python})")
        if not (self.school / SETTINGS_NAME).is_file():
            reasons.append(f"{self.school} is no longer a school")
        return reasons

    def running(self) -> bool | None:
        return self.backend.running(self.name)

    def worker(self) -> int | None:
        """The process id of the school's worker, no matter who started it; see `worker_alive`."""
        if self.school is None or not (self.school / SETTINGS_NAME).is_file():
            return None
        return worker_alive(School(self.school))

    def log(self) -> str:
        return self.backend.log(self.name, self.school or Path())


def service_file(backend: ServiceBackend, name: str) -> Path:
    return backend.folder / f"{name}{backend.suffix}"


def installed() -> list[InstalledService]:
    """All services of this user, sorted by name."""
    services = []
    for backend in system_backends():
        for file in sorted(backend.folder.glob(f"{PREFIX}*{backend.suffix}")):
            school = python = None
            with contextlib.suppress(OSError, ValueError):
                command = backend.parse_command(_read(backend, file))
                school = Path(command[command.index("--school") + 1])
                python = Path(command[0])
            services.append(
                InstalledService(backend, file.name.removesuffix(backend.suffix), school, python)
            )
    return services


def check_installable(backend: ServiceBackend, work: WorkerCommand, removable: bool) -> None:
    """Raise ServiceError if the service would not work as expected."""
    drive = None if removable else removable_drive(work.school)
    if drive:
        raise ServiceError(
            f"{work.school} is on a removable drive ({drive}), which may be absent at login",
            "move the school, or install with --removable",
        )
    school = School(work.school)
    try:
        files.write(school.state / "probe", b"", durable=False)
        files.remove(school.state / "probe")
        pid = worker_alive(school)
    except OSError as error:
        raise ServiceError(
            f"{work.school} is not writable ({error.strerror})", "check its permissions"
        ) from None
    if pid is not None and backend.running(work.name) is False:
        raise ServiceError(
            f"a worker (process {pid or 'unknown'}) already runs for {work.school}",
            "stop it with Ctrl-C, then install the service",
        )


def install(backend: ServiceBackend, work: WorkerCommand) -> FileState:
    """Write the file, start the worker, and return the file's state before.

    Raises ServiceError if the file cannot be written or the system refuses it.
    """
    file = service_file(backend, work.name)
    text = backend.render(work)
    before = file_state(backend, work)
    for other in installed():  # an earlier backend's service would compete for the school
        if other.name == work.name and other.backend.title != backend.title:
            uninstall(other)
    if before is not FileState.SAME:
        try:
            files.make_folder(file.parent)
            files.rewrite(file, text.encode(backend.encoding))
        except OSError as error:
            raise ServiceError(
                f"{file} is not writable ({error.strerror})", "check its permissions"
            ) from None
    backend.start(work.name, before is FileState.CHANGED)
    return before


def file_state(backend: ServiceBackend, work: WorkerCommand) -> FileState:
    """The state of the worker's file before an installation."""
    try:
        content = _read(backend, service_file(backend, work.name))
    except FileNotFoundError:
        return FileState.NEW
    except (OSError, ValueError):
        return FileState.CHANGED
    return FileState.SAME if content == backend.render(work) else FileState.CHANGED


def uninstall(service: InstalledService) -> None:
    """Stop the worker and remove the file; raises ServiceError if it cannot be removed."""
    service.backend.stop(service.name)
    try:
        service.file.unlink(missing_ok=True)
    except OSError as error:
        raise ServiceError(
            f"{service.file} cannot be removed ({error.strerror})", "check its permissions"
        ) from None
    service.backend.clean_up(service.name)


def _read(backend: ServiceBackend, file: Path) -> str:
    return file.read_text(encoding=backend.encoding)
