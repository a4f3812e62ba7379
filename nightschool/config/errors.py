"""Every error that the program raises on purpose: what is wrong, what to do, and the exit code.

`cli.main` prints these as one line and exits with their code; anything else is a bug.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import ClassVar

# Error codes of a file that is not there or not what it should be; every other code may pass.
_LASTING = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EINVAL, errno.EEXIST,
    errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG,
})  # fmt: skip


class NightschoolError(Exception):
    """An expected failure. `str(error)` is one line: `message`, then `hint` if there is one."""

    exit_code: ClassVar[int] = 1
    """1: the work failed; 2: wrong usage or settings."""
    final: ClassVar[bool] = False
    """Whether the settings, the notes, the base or a damaged file are at fault, so that another attempt fails
    as well; see `is_final`."""

    def __init__(self, message: str, hint: str = "") -> None:
        """`message` says what is wrong and where; `hint` says what to do."""
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class ConfigError(NightschoolError):
    """The settings or the school's folder are wrong."""

    exit_code = 2
    final = True


class UntrustedSchool(NightschoolError):
    """The school is from elsewhere, and the user has not accepted it."""

    exit_code = 2


class RequestError(NightschoolError):
    """The request does not fit the current state, such as a run that does not exist."""

    exit_code = 2


class DiskFull(NightschoolError):
    """The disk is full or read-only; a later attempt may succeed."""


class FileBusy(NightschoolError):
    """Another process changes a file for longer than the lock timeout; a later attempt may succeed."""


class NotesError(NightschoolError):
    """The notes cannot be used."""

    exit_code = 2
    final = True


class NotesUnavailable(NotesError):
    """No note can be reached, as on a drive that is not connected; a later attempt may succeed."""

    final = False


class LearningError(NightschoolError):
    """A stage cannot train or score with these settings, notes and base."""

    final = True


class BaseUnavailable(LearningError):
    """The base model cannot be downloaded now; a later attempt may succeed."""

    final = False


class BaseModelError(LearningError):
    """The files of a base model or of an adapter cannot be used, or were refused."""


class CheckpointDiskFull(LearningError, DiskFull):
    """There is no room for a checkpoint; the earlier ones are intact."""


class DamagedFile(NightschoolError):
    """A file that a result stands on is missing, unreadable or changed; the hint says what makes it again."""

    final = True


class UnreadableFile(DamagedFile):
    """A file that a result stands on cannot be read now, although it is there; a later attempt may succeed."""

    final = False


class DeviceBusy(NightschoolError):
    """Another process trains on the device; a later attempt may succeed."""


class LedgerError(NightschoolError):
    """The ledger cannot be read or written."""


class LedgerLost(LedgerError):
    """The ledger is missing, empty or damaged; `repair` makes it again from the files of the runs."""


class LedgerBusy(LedgerError):
    """Another process holds the ledger for longer than the lock timeout."""


class LedgerElsewhere(LedgerBusy):
    """A worker on another computer, or behind another mount, works on the school."""

    exit_code = 2


class UnsafeFileSystem(NightschoolError):
    """The school's file system lacks what keeps two workers apart."""

    exit_code = 2


class LedgerDiskFull(LedgerError, DiskFull):
    """The ledger cannot be written because the disk is full or read-only."""


class LedgerDenied(LedgerError):
    """This user may not write the ledger."""

    exit_code = 2


class QueueError(NightschoolError):
    """The queue cannot be read or written; the ledger still holds what is to be done."""


class ReportError(NightschoolError):
    """A report file is damaged or from a newer version."""


class ChildError(NightschoolError):
    """A child process could not answer a query."""


class ServiceError(NightschoolError):
    """The service that starts the worker at login cannot be installed, found or removed."""


class WorkerRunning(NightschoolError):
    """Another worker already runs for this school."""


class WorkerEnded(NightschoolError):
    """The demo's worker ended before its run was done."""


class Stopped(Exception):
    """A stop was requested; the interrupted work is repeated later."""


def is_final(error: BaseException) -> bool:
    """Whether another attempt would end with the same error.

    Only the errors that say so are final, and not even these if a passing one caused them, such as an I/O
    error of the disk that holds the base.
    """
    if not (isinstance(error, NightschoolError) and error.final):
        return False
    cause = error.__cause__ or error.__context__
    while cause is not None:
        if _passes(cause):
            return False
        cause = cause.__cause__ or cause.__context__
    return True


def _passes(cause: BaseException) -> bool:
    if isinstance(cause, NightschoolError):
        return not cause.final
    return isinstance(cause, MemoryError) or passes(cause)


def passes(error: BaseException) -> bool:
    """Whether the system reported an error that may pass, such as an I/O error; not that a file is missing."""
    code = system_error(error)
    return code is not None and code not in _LASTING


def unreadable(file: Path, error: BaseException) -> UnreadableFile:
    """The error for a file that the system cannot read now."""
    code = system_error(error)
    why = os.strerror(code) if code else first_line(error)
    return UnreadableFile(f"{file} cannot be read ({why})", "check its disk")


def system_error(error: BaseException) -> int | None:
    """The system's code of an error; None if it is of another kind."""
    code = getattr(error, "errno", None)
    if code is None and (rust := re.search(r"\(os error (\d+)\)", str(error))):
        return int(rust[1])  # safetensors and tokenizers pass on no error code
    return code if isinstance(code, int) else None


def system_line(error: OSError) -> str:
    """An error of the system in one line: the file, if it is known, and the system's words."""
    words = error.strerror or first_line(error)
    return f"{error.filename}: {words}" if error.filename else words


def first_line(error: BaseException) -> str:
    """The first line of a library's error message, at most 200 characters; its type name if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
