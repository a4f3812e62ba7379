"""Input without a limit: bounded memory, and one clear line that names the file and the limit.

Large files are sparse, so they cost no disk. A process with less memory than any of them reads them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nightschool.config import files
from nightschool.config.paths import School
from tests.conftest import new_school

resource = pytest.importorskip("resource", reason="limits of memory need POSIX")

GB = 1 << 30
MEMORY = 2 * GB
"""Of the address space, in which the libraries take more than half."""
SECONDS = 120

pytestmark = pytest.mark.slow


def sparse(file: Path, size: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    os.truncate(file, size)


def deep(folder: Path, levels: int) -> None:
    """A folder so many levels deep, with a note at the end. No path may be as long, so it is entered."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("deep.md", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def call(school: School, *arguments: str, source: str = "") -> tuple[int, list[str]]:
    """The exit code and the lines on standard error; `source` is a file for standard input."""
    command = [sys.executable, "-m", "nightschool", "--school", str(school.root), *arguments]
    with open(source or os.devnull, "rb") as given:
        done = subprocess.run(
            command, stdin=given, capture_output=True, text=True, timeout=SECONDS,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        )  # fmt: skip
    assert "Traceback" not in done.stderr and "nightschool: unexpected" not in done.stderr
    return done.returncode, done.stderr.splitlines()


def test_files_that_no_memory_holds_are_skipped_or_refused_in_one_line(tmp_path: Path) -> None:
    school = new_school(tmp_path / "school", 4)
    notes = school.root / "notes"
    for name in ("one line.md", "table.jsonl", "table.csv", "nul.org"):
        sparse(notes / name, 10 * GB)
    code, lines = call(school, "notes")
    assert (code, lines) == (0, [])
    for name in ("one line.md", "table.jsonl"):
        code, lines = call(school, "classify", str(notes / name))
        assert code == 2 and "larger than" in lines[0] and name in lines[0]
        assert lines[-1].startswith("Error: ") and "no notes found" in lines[-1]
    code, lines = call(school, "classify", "-", source="/dev/zero")
    assert code == 2 and "standard input is larger than notes.max_bytes" in lines[-1]


def test_a_labels_file_or_settings_that_no_memory_holds_are_refused_in_one_line(
    tmp_path: Path,
) -> None:
    school = new_school(tmp_path / "school", 4)
    sparse(school.labels_file, 10 * GB)
    code, lines = call(school, "notes")
    assert (code, len(lines)) == (2, 1) and "labels.jsonl cannot be read (larger" in lines[0]
    school.labels_file.write_bytes(b'{"id": "' + b"[" * 50_000_000)
    code, lines = call(school, "notes")
    assert (code, len(lines)) == (2, 1) and "line 1: longer than 64,000 characters" in lines[0]
    sparse(school.settings_file, 10 * GB)
    code, lines = call(school, "status")
    assert (code, len(lines)) == (2, 1) and "larger than 1,000,000 bytes: shorten it" in lines[0]


@pytest.mark.parametrize(
    ("row", "times", "line"),
    [
        (b'{"text": "a"}\n', 1_000_100, "more than 1,000,000 notes, skipped ones included"),
        (
            b'{"text": "' + b"a" * 900_000 + b'"}\n',
            250,
            "more than 200,000,000 characters in all notes",
        ),
    ],
)
def test_more_notes_than_the_memory_holds_are_refused_in_one_line(
    tmp_path: Path, row: bytes, times: int, line: str
) -> None:
    school = new_school(tmp_path / "school", 4)
    table = tmp_path / "many.jsonl"
    with table.open("wb") as file:
        for _ in range(times):
            file.write(row)
    code, lines = call(school, "classify", str(table))
    assert (code, len(lines)) == (2, 1) and line in lines[0] and "many.jsonl:" in lines[0]


def test_folders_of_any_depth_are_read(tmp_path: Path) -> None:
    school = new_school(tmp_path / "school", 4)
    deep(school.root / "notes", 1_900)
    school.state.mkdir(exist_ok=True)
    deep(school.state, 1_900)
    try:
        for verb in ("notes", "status", "clean", "run"):
            assert call(school, verb) == (0, []), verb
    finally:  # pytest cannot
        files.remove(school.root)


def test_state_files_that_no_memory_holds_do_not_stop_the_reading_verbs(tmp_path: Path) -> None:
    school = new_school(tmp_path / "school", 4)
    assert call(school, "run")[0] == 0
    for name in (
        "worker.json", "signals.json", "seen.json", "told.json", "school.lock.json", "pace.json",
        "runs/1/plan.json", "runs/1/prep.json", "runs/1/report/report.json",
        "models/run-1/model.json", "datasets/sides.json",
    ):  # fmt: skip
        sparse(school.state / name, 10 * GB)
    for verb in ("status", "why", "log", "models", "clean", "notes"):
        assert call(school, verb)[0] == 0, verb
    code, lines = call(school, "report")
    assert code in (1, 2) and len(lines) == 1
