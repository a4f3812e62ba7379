"""The school lock: which computer may write a school. It works on every file system.

A lock of the operating system is seen only through the mount on which it was taken. So a worker, and on a file
system that is not local every command that writes, also holds a file that names it: created exclusively,
touched every few seconds, and taken over if its process is dead or it is no longer touched. A place is a mount
on a computer since its last start: within a place, and between all that use a disk of their own computer, the
locks of the operating system hold as well, and whoever writes beside such a worker needs no other.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import filelock

from nightschool.config import bounded_json, files
from nightschool.config.errors import LedgerBusy, LedgerElsewhere
from nightschool.config.file_systems import file_system

SILENT_S = 120.0
"""A holder on another computer that is silent for this long is taken for dead."""
_TOUCHED_EVERY_S = 15.0
_BUSY_S = 5.0
_AT_ONCE_S = 0.5
_BREAK_LIMIT_S = 10.0
_NAME = "school.lock"


@dataclass(frozen=True, slots=True)
class Place:
    """A mount on a computer since its last start."""

    host: str
    boot: str
    """Names a start of the computer; "" where the system has no such name."""
    device: int
    processes: int
    """Names what the process numbers belong to: a container has numbers of its own."""

    def is_same(self, other: Place) -> bool:
        if (self.boot, self.device) != (other.boot, other.device):
            return False
        return bool(self.boot) or self.host == other.host

    def knows(self, other: Place) -> bool:
        """Whether a process of the other place can be looked up here by its number."""
        return (self.host, self.boot, self.processes) == (other.host, other.boot, other.processes)


@dataclass(frozen=True, slots=True)
class Holder:
    """What holds the school lock, since a time in seconds since the epoch: a worker, or else a command."""

    pid: int
    place: Place
    since: float
    is_worker: bool
    is_local: bool
    """Whether the school is on a disk of the holder's own computer."""


def here(state: Path) -> Place:
    """The place of a school's folder `.nightschool`."""
    boot, processes = "", 0
    if sys.platform == "linux":
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
            processes = os.stat("/proc/self/ns/pid").st_ino
    return Place(platform.node(), boot, os.stat(state).st_dev, processes)


def holder(state: Path) -> Holder | None:
    """What holds the school lock; None if nothing does, or if it has not recorded itself yet."""
    pid = filelock.SoftFileLease(state / _NAME, lease_duration=SILENT_S).pid
    try:
        stored = bounded_json.read(_record(state), 1 << 16)
        found = Holder(**stored | {"place": Place(**stored["place"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.pid == pid else None


def worker_elsewhere(state: Path) -> Holder | None:
    """The worker that holds the school lock in another place; None if there is none."""
    found = holder(state)
    return found if found and found.is_worker and not _sees_locks_of(found, state) else None


def is_shared(state: Path) -> bool:
    """Whether another place may be writing the ledger now, unseen by locks of the operating system."""
    if state in _locks:
        return False
    if not file_system(state).local:
        return True
    return (state / _NAME).exists() and not _beside_worker(state)


def _beside_worker(state: Path) -> bool:
    found = holder(state)
    return found is not None and found.is_worker and _sees_locks_of(found, state)


def _sees_locks_of(found: Holder, state: Path) -> bool:
    """Whether the locks of the operating system that a holder takes hold here, too."""
    return (found.is_local and file_system(state).local) or found.place.is_same(here(state))


def _record(state: Path) -> Path:
    return state / f"{_NAME}.json"


class SchoolLock:
    """The school lock of one process; the uses in a process share it. Any thread may use it."""

    def __init__(self, state: Path) -> None:
        self.lost = False
        """Whether another process has taken it over."""
        self._state = state
        self._uses = 0
        self._file = filelock.SoftFileLease(
            state / _NAME, lease_duration=SILENT_S, heartbeat_interval=_TOUCHED_EVERY_S,
            on_compromise=self._on_loss, thread_local=False, mode=0o600, poll_interval=0.02,
        )  # fmt: skip

    def _on_loss(self, _: object) -> None:
        self.lost = True

    def check(self) -> None:
        """Raise LedgerElsewhere if another process has taken the lock over."""
        if self._file.is_locked and (self.lost or not self._file.is_lock_held_by_us):
            self.lost = True
            raise elsewhere(self._state)

    def release(self) -> None:
        """End one use; the last one releases the lock."""
        with _guard:
            self._uses -= 1
            if self._uses == 0:
                _locks.pop(self._state, None)
                with suppress(OSError):
                    self._file.release()


_guard = threading.Lock()
_locks: dict[Path, SchoolLock] = {}


def lock_to_write(state: Path) -> SchoolLock | None:
    """The school lock for a process that is about to write the ledger; None if it needs none of its own.

    Raises LedgerElsewhere if a worker in another place holds it, LedgerBusy if a command does, OSError.
    """
    with _guard:
        if lock := _locks.get(state):
            lock._uses += 1
            return lock
    lock = SchoolLock(state)
    deadline = time.monotonic() + _BUSY_S
    while True:
        if file_system(state).local and not (state / _NAME).exists():
            return None
        if _beside_worker(state):
            return None
        if _acquired(lock, _may_live):
            return _shared(lock, is_worker=False)
        if time.monotonic() > deadline or worker_elsewhere(state):
            raise elsewhere(state)


def lock_to_work(state: Path, say: Callable[[str], object] = lambda line: None) -> SchoolLock:
    """The school lock for a worker, which holds the work lock. Waits until a silent holder is taken for dead.

    `say` gets a line before it waits. Raises LedgerElsewhere if the holder is alive, OSError.
    """
    lock = SchoolLock(state)
    if not _acquired(lock, _may_live_without_work_lock):
        _outwait(lock, say)
    return _shared(lock, is_worker=True)


def _acquired(lock: SchoolLock, may_live: Callable[[Holder, Path], bool]) -> bool:
    """Acquire it if it is free, or if its holder is known to be dead."""
    state = lock._state
    judged = _marker(state)
    if _tried(lock):
        return True
    found = holder(state)
    if not judged or found is None or may_live(found, state):
        return False
    _break(state, judged)
    return _tried(lock)


def _tried(lock: SchoolLock) -> bool:
    with suppress(filelock.Timeout):
        lock._file.acquire(timeout=_AT_ONCE_S)
    return lock._file.is_locked


def _may_live(found: Holder, state: Path) -> bool:
    """Whether a holder may be alive; only a computer that must be its own knows that it is not."""
    import psutil  # lazy: psutil

    place = here(state)
    if found.place.knows(place):
        return bool(psutil.pid_exists(found.pid))
    is_own = found.is_local and file_system(state).local
    return not is_own or found.place.boot == place.boot


def _may_live_without_work_lock(found: Holder, state: Path) -> bool:
    """Whether a holder may be alive although the caller holds the work lock."""
    return not (found.is_worker and _sees_locks_of(found, state)) and _may_live(found, state)


def _outwait(lock: SchoolLock, say: Callable[[str], object]) -> None:
    """Wait for a sign of life of the holder, and acquire the lock if there is none for `SILENT_S`."""
    state = lock._state
    deadline = time.monotonic() + 2 * SILENT_S
    judged, since, is_said = _marker(state), time.monotonic(), False
    while time.monotonic() < deadline:
        found = holder(state)
        if found and found.place.knows(here(state)) and _may_live_without_work_lock(found, state):
            break
        if not is_said:
            is_said = True
            say(f"{elsewhere(state).message}; waiting {SILENT_S:.0f} s for a sign of life")
        if _acquired(lock, _may_live_without_work_lock):
            return
        if (now := _marker(state)) != judged:
            if now and judged and now[:2] == judged[:2]:
                break  # touched
            judged, since = now, time.monotonic()  # another holder
        elif judged and time.monotonic() - since > SILENT_S:
            _break(state, judged)
    raise elsewhere(state)


def _marker(state: Path) -> tuple[bytes, int, int] | None:
    """Content, inode and time of the last touch of the lock's file, to notice any change."""
    try:
        content = files.read(state / _NAME, 1 << 16)
        about = (state / _NAME).stat()
    except OSError:
        return None
    return content, about.st_ino, about.st_mtime_ns


def _break(state: Path, judged: tuple[bytes, int, int]) -> None:
    """Remove the lock of a dead holder, unless it has changed since it was judged.

    filelock itself does so only on file systems that can exchange two names, which no share can. Of several
    processes only the one that makes the folder acts; one that a crash left is removed first.
    """
    breaking = state / f"{_NAME}.break"
    try:
        os.mkdir(breaking, 0o700)
    except FileExistsError:
        made = breaking.stat().st_mtime_ns
        time.sleep(_BREAK_LIMIT_S)
        with suppress(OSError):
            if breaking.stat().st_mtime_ns == made:
                files.remove(breaking)
        return
    try:
        if _marker(state) == judged:
            files.remove(state / _NAME)
    finally:
        files.discard(breaking)


def _shared(lock: SchoolLock, *, is_worker: bool) -> SchoolLock:
    """Record the holder, and let the whole process use the lock."""
    state = lock._state
    record = Holder(os.getpid(), here(state), time.time(), is_worker, file_system(state).local)
    try:
        files.write(_record(state), json.dumps(asdict(record)), durable=False)
    except BaseException:
        lock._file.release()
        raise
    with _guard:
        lock._uses = 1
        _locks[state] = lock
    return lock


def elsewhere(state: Path) -> LedgerBusy:
    """The error for a school that another process holds."""
    found = holder(state)
    if found is None:
        return LedgerBusy(f"another process has locked {state}", "try again when it has ended")
    who = f"{found.place.host} (process {found.pid})"
    if not found.is_worker:
        return LedgerBusy(f"a command on {who} has locked {state}", "try again when it has ended")
    since = datetime.fromtimestamp(found.since)
    return LedgerElsewhere(
        f"a worker on {who} works on this school since {since:%a %H:%M}",
        "use nightschool there, or end that worker first; status, log and report work here, too",
    )
