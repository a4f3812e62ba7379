"""Every verb in want: of file handles, room, memory, permission, a sound disk, a right clock, honest files.

python -m tests.cli.want_matrix            # all verbs and wants; prints a table
python -m tests.cli.want_matrix --want "no space" --verb status

Each trial calls a verb in a process of its own, in a fresh copy of a small, real school on a disk of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

from nightschool.config import files
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.config.trusted_schools import trust
from nightschool.jobs.requests import request_run
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import STAGES, Timing
from nightschool.notes.labels import read_labels
from nightschool.tasks.runner import Runner
from tests.conftest import make_tiny_base, new_school
from tests.file_faults import inject
from tests.forked_child import SERVER, fork_children, forked_children

LIMIT_S = 30
_YEAR_S = 365.25 * 86400
_TRAIN = {"epochs": 1.0, "lora_r": 4, "max_tokens": 64, "effective_batch": 8}
READING = {
    "status": "status", "status --json": "status --json", "why": "why", "log": "log 1",
    "report": "report", "models": "models", "classify": "classify bread", "notes": "notes",
    "label --json": "label --json", "plan": "plan", "doctor": "doctor",
}  # fmt: skip
WRITING = {
    "label": "label", "run": "run --new --detach", "prep": "prep --new --detach", "pause": "pause",
    "resume": "resume", "cancel": "cancel 3", "retry": "retry 2", "promote": "promote 1",
    "rollback": "rollback", "clean": "clean --yes --keep 1", "forget": "forget --gone --yes",
    "init": "init", "repair": "repair", "trust": "trust --yes",
}  # fmt: skip
VERBS = READING | WRITING
STATE_FILES = (
    "worker.json", "seen.json", "signals.json", "told.json", "pace.json", "school.lock.json", "id", "queue.db",
    "ledger.db", "runs/1/prep.json", "runs/1/compare.json", "runs/1/report/report.json",
    "runs/1/report/report.html", "models/run-1/model.json", "models/run-1/adapter/adapter_model.safetensors",
    "datasets/sides.json", "../labels.jsonl", "../nightschool.toml",
)  # fmt: skip
_OPERATIONS = (1, 2, 4, 7, 11, 16, 25, 40, 70, 120)


def nothing(school: School) -> None: ...


def limited(name: str, value: int, school: School) -> None:
    number = getattr(resource, name)
    resource.setrlimit(number, (value, value))


def with_memory(more: int, school: School) -> None:
    used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    limited("RLIMIT_AS", used + more, school)


def with_errors(at: int, school: School) -> None:
    inject(school.root, at, "EIO")


@dataclass(frozen=True, slots=True)
class Want:
    """What a verb lacks: `prepare` changes the school's disk, `inside` the process of the verb."""

    prepare: Callable[[School], object] = nothing
    inside: Callable[[School], object] = nothing
    disk: str = ""
    """Options of the mount; "": no disk of its own."""
    works: frozenset[str] = frozenset()
    """The verbs that must work all the same."""
    verbs: tuple[str, ...] = tuple(VERBS)


def full(school: School) -> None:
    """Fill the disk to the last byte."""
    with contextlib.suppress(OSError), open(school.root.parent / "filler", "wb", 0) as filler:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while filler.write(b"\0" * size) == size:
                    pass


def no_inodes(school: School) -> None:
    with contextlib.suppress(OSError):
        for number in range(10**6):
            (school.root.parent / f"filler-{number}").touch()


def read_only(school: School) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(school.root.parent)], check=True)


def shifted(seconds: float, school: School) -> None:
    """Move all times of the school, as if the clock had been moved the other way since."""
    with closing(sqlite3.connect(school.ledger_file)) as db:
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            for _, column, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
                db.execute(
                    f"UPDATE {table} SET {column} = {column} + ? "
                    f"WHERE typeof({column}) = 'real' AND {column} > 1e9",
                    (seconds,),
                )
        db.commit()
    for path in school.root.rglob("*"):
        if path.is_file():
            at = path.stat().st_mtime + seconds
            os.utime(path, (at, at))


def fifo(name: str, school: School) -> None:
    path = school.state / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


_READS = frozenset(READING)
_NO_DISK = {
    "no space": Want(prepare=full, disk="size=16m", works=_READS),
    "no inodes": Want(prepare=no_inodes, disk="size=16m,nr_inodes=600", works=_READS),
    "read-only": Want(prepare=read_only, disk="size=16m", works=_READS),
}
_OWN = {
    "nothing lacks": Want(works=frozenset(VERBS)),
    "10 handles": Want(inside=partial(limited, "RLIMIT_NOFILE", 10)),
    "4 kB files": Want(inside=partial(limited, "RLIMIT_FSIZE", 4096), works=_READS),
    "1 MB more": Want(inside=partial(with_memory, 1 << 20)),
    "20 MB more": Want(inside=partial(with_memory, 20 << 20)),
    "a year ahead": Want(prepare=partial(shifted, -_YEAR_S), works=frozenset(VERBS)),
    "a year behind": Want(prepare=partial(shifted, _YEAR_S), works=frozenset(VERBS)),
}
_EIO = {f"EIO at {at}": Want(inside=partial(with_errors, at)) for at in _OPERATIONS}
_FIFOS = {
    f"FIFO {name}": Want(prepare=partial(fifo, name), verbs=tuple(READING)) for name in STATE_FILES
}
WANTS = _OWN | _NO_DISK | _EIO | _FIFOS


def made_school(folder: Path) -> School:
    """A school with run 1 done and promoted, run 2 cancelled, run 3 queued, a label, and a deleted note."""
    base = make_tiny_base(folder / "base")
    school = new_school(
        folder / "made" / "school",
        base=base.as_posix(),
        train=_TRAIN,
        ladder={"arms": ["tfidf-lr"]},
    )
    settings = load(school.settings_file)
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(settings.model_dump(), STAGES[-1], Timing.NOW)
        ledger.decide(1, True, Reason.RUN_NOW)
    with forked_children():
        for stage in STAGES:
            assert Runner(school, "worker").perform(1, stage), stage
    with Ledger(school.ledger_file) as ledger:
        if not ledger.promotions():
            ledger.promote(1)
        for _ in range(2):
            request_run(ledger, school, settings, Timing.TONIGHT, new=True)
        ledger.cancel(2)
        ledger.decide(None, False, Reason.NO_WORKER)
    school.labels_file.write_text('{"id": "a", "kind": "none"}\n', "utf-8")
    (school.root / "notes/lesson/lesson-0.md").unlink()
    (school.root / "notes/loose.md").write_text("a note without a kind: 42", "utf-8")
    return school


@contextlib.contextmanager
def on_disk(made: School, want: Want) -> Iterator[School]:
    """A copy of the school at a place that is always the same, on a disk of its own if the want needs one."""
    place = made.root.parents[1] / "disk"
    place.mkdir(exist_ok=True)
    if want.disk:
        subprocess.run(["mount", "-t", "tmpfs", "-o", want.disk, "tmpfs", str(place)], check=True)
    try:
        school = School(place / "school")
        shutil.copytree(made.root, school.root)
        trust(school)
        yield school
    finally:
        if want.disk:
            subprocess.run(["umount", "-l", str(place)], check=True)
        shutil.rmtree(place)


def can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        mounted = (
            shutil.which("mount")
            and not subprocess.run(
                ["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True
            ).returncode
        )
        return bool(mounted) and not subprocess.run(["umount", folder]).returncode


@dataclass(frozen=True, slots=True)
class Called:
    """How a verb ended: its exit code (None: it did not end in time), and what it printed."""

    code: int | None
    output: str

    @property
    def verdict(self) -> str:
        """ "works", "line", or what is wrong."""
        last = [
            line
            for line in self.output.splitlines()
            if line.startswith(("nightschool: ", "Error: "))
        ]
        if self.code is None:
            return "hangs"
        if self.code < 0 or self.code not in (0, 1, 2):
            return f"dies ({self.code})"
        for sign in ("Traceback", "unexpected", "RecursionError", "Segmentation"):
            if sign in self.output:
                return sign.lower()
        if self.code == 0 or (self.code == 1 and "PROBLEM" in self.output):  # doctor's answer
            return (
                "works"
                if not re.search(r"(^|\s)-\d+ ?(s|min|h|days?)\b", self.output)
                else "negative"
            )
        if len(last) != 1:
            return "no line" if not last else "lines"
        return "line"


def call(school: School, arguments: str, want: Want) -> Called:
    """Call a verb in a process of its own."""
    given = ["--school", str(school.root), *arguments.split()]
    if arguments == "init":
        given = ["init", str(school.root.with_name("another"))]
    out, into = os.pipe()
    process = SERVER.Process(target=_verb, args=(given, school, want.inside, DupFd(into)))
    process.start()
    os.close(into)
    assert process.pid
    killing = threading.Timer(LIMIT_S, partial(_kill_group, process.pid))
    killing.start()
    with os.fdopen(out, encoding="utf-8", errors="replace") as stream:
        printed = stream.read()
    process.join()
    in_time = killing.is_alive()
    killing.cancel()
    return Called(process.exitcode if in_time else None, printed)


def _kill_group(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(number, signal.SIGKILL)


def _verb(given: list[str], school: School, inside: Callable[[School], object], out: Any) -> None:
    from nightschool.cli.main import main

    os.setsid()
    handle = out.detach()
    for number in (1, 2):
        os.dup2(handle, number)
    if given[-1] == "label":
        master, slave = os.openpty()
        os.dup2(slave, 0)
        os.dup2(master, 3)
        threading.Thread(target=_type, args=(3,), daemon=True).start()
    else:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.closerange(4 if given[-1] == "label" else 3, 256)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    sys.argv = ["nightschool", *given]
    fork_children()
    inside(school)
    main()


def _type(terminal: int) -> None:
    """Press "1" and "q" now and then: what is typed before a question is discarded."""
    while True:
        for key in (b"1", b"q"):
            time.sleep(0.2)
            os.write(terminal, key)


def after(school: School, want: Want) -> list[str]:
    """What is wrong with a school that a verb has left."""
    wrong = []
    for filler in school.root.parent.glob("filler*"):
        filler.unlink()
    if left := [path.name for path in school.root.rglob("*.tmp")]:
        wrong.append(f"leaves {left}")
    try:
        if want.verbs == tuple(VERBS):
            read_labels(school.labels_file)
            load(school.settings_file)
            with closing(sqlite3.connect(f"file:{school.ledger_file}?mode=ro", uri=True)) as db:
                ((state,),) = db.execute("PRAGMA integrity_check").fetchall()
            if state != "ok":
                wrong.append(f"ledger: {state}")
    except Exception as error:
        wrong.append(f"{type(error).__name__}: {error}")
    return wrong


def trial(made: School, verb: str, want: Want) -> tuple[str, str]:
    """What comes of a verb in a want, and its output."""
    with on_disk(made, want) as school:
        want.prepare(school)
        called = call(school, VERBS[verb], want)
        verdict = called.verdict
        if verdict == "line" and verb in want.works:
            verdict = "refuses"
        if verb == "clean":  # what it cannot delete now, the next one deletes
            files.clean(school.state)
        wrong = [] if want.prepare is read_only else after(school, want)
        if wrong:
            verdict = wrong[0]
    return verdict, called.output


def pairs(wants: Iterable[str], verbs: Container[str]) -> list[tuple[str, str]]:
    """Each want with each verb that it concerns."""
    return [(want, verb) for want in wants for verb in WANTS[want].verbs if verb in verbs]


def matrix(
    folder: Path,
    tried: Iterable[tuple[str, str]],
    show: Callable[[str], object] = lambda line: None,
    lines: bool = False,
) -> dict[tuple[str, str], str]:
    """(want, verb) -> what came of it; without those that need a disk where none can be mounted."""
    made, mounts = made_school(folder), can_mount()
    table: dict[tuple[str, str], str] = {}
    for name, verb in tried:
        want = WANTS[name]
        if want.disk and not mounts:
            continue
        verdict, output = trial(made, verb, want)
        table[name, verb] = verdict
        if verdict not in ("works", "line"):
            show(f"{name}, {verb}: {verdict}: {output[-600:]!r}")
        elif verdict == "line" and lines:
            show(f"{name}, {verb}: {output.strip().splitlines()[-1]}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--want", action="append", help="the beginning of a name")
    parser.add_argument("--verb", action="append")
    parser.add_argument("--lines", action="store_true", help="show the lines, too")
    given = parser.parse_args()
    wants = [name for name in WANTS if not given.want or name.startswith(tuple(given.want))]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="want-") as folder:
        os.environ["NIGHTSCHOOL_STATE"] = str(Path(folder, "state"))
        tried = pairs(wants, given.verb or list(VERBS))
        table = matrix(Path(folder), tried, partial(print, flush=True), given.lines)
    for name in wants:
        row = [verdict for (want, _), verdict in table.items() if want == name]
        works, line = row.count("works"), row.count("line")
        print(f"{name:<55}{works:>3} works {line:>3} a line {len(row) - works - line:>3} wrong")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
