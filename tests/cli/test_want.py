"""Commands in want of room, permission or sense: one line each, and reading still works."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool.config.paths import School
from nightschool.config.settings_template import template
from nightschool.config.trusted_schools import trust
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from tests.cli.conftest import invoke

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX links, FIFOs, limits and mounts")

READING = ("status", "why", "log", "models", "notes")


@pytest.fixture
def school(tmp_path: Path) -> School:
    """A school with two notes and a queued run."""
    school = School(tmp_path / "学校 1")
    for kind in ("work", "home"):
        folder = school.root / "notes" / kind
        folder.mkdir(parents=True)
        (folder / "a.md").write_text(f"a note about {kind}", "utf-8")
    school.settings_file.write_text(template({"preset": "cpu-demo", "base": "demo"}), "utf-8")
    trust(school)
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run({}, StageName.COMPARE, Timing.NOW)
    return school


@pytest.fixture
def read_only(school: School) -> Iterator[School]:
    """The school on a disk that was remounted read-only."""
    place = school.root.with_name("disk")
    place.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True
        ).returncode
    ):
        pytest.skip("a disk can only be mounted by root on Linux")
    try:
        shutil.copytree(school.root, place / "school")
        trust(School(place / "school"))
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        yield School(place / "school")
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _files(school: School) -> set[Path]:
    return set(school.root.rglob("*"))


@pytest.mark.parametrize("verb", READING)
def test_reading_works_on_a_read_only_disk(read_only: School, verb: str) -> None:
    before = _files(read_only)
    result = invoke(read_only, verb)
    assert result.exit_code == 0, result.output
    assert _files(read_only) == before


def test_writing_on_a_read_only_disk_is_one_line(read_only: School) -> None:
    result = invoke(read_only, "pause")
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert "unexpected" not in result.output and "read-only" in result.output


def test_a_ledger_with_a_log_is_read_where_nothing_can_be_made_beside_it(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash before the disk was remounted read-only."""
    with sqlite3.connect(school.ledger_file) as held:
        held.execute("UPDATE runs SET reason = 'in the log'")
        held.commit()
        copy = School(tmp_path / "copy")
        shutil.copytree(school.state, copy.state, ignore=shutil.ignore_patterns("*-shm"))
    from nightschool.ledger import read_only

    connect = read_only._connect

    def no_index(database: str, timeout_s: float) -> sqlite3.Connection:
        if database.endswith("?mode=ro"):
            raise sqlite3.OperationalError("unable to open database file")
        return connect(database, timeout_s)

    monkeypatch.setattr(read_only, "_connect", no_index)
    db = read_only.open_read_only(copy.ledger_file, 1.0)
    assert db.execute("SELECT reason FROM runs").fetchall() == [("in the log",)]
    with pytest.raises(sqlite3.OperationalError):
        db.execute("DELETE FROM runs")


@pytest.mark.parametrize("number", ["0", "9223372036854775808", "99999999999999999999999"])
@pytest.mark.parametrize("verb", ["log", "report", "promote", "cancel", "retry", "classify --run"])
def test_a_number_that_no_run_can_have_is_a_usage_error(
    school: School, verb: str, number: str
) -> None:
    result = invoke(school, *verb.split(), number)
    assert result.exit_code == 2 and "is not in the range" in result.output


@pytest.mark.parametrize(
    "name", ["worker.json", "seen.json", "signals.json", "told.json", "pace.json"]
)
@pytest.mark.parametrize("verb", ["status", "why"])
def test_a_fifo_in_place_of_a_state_file_hangs_nothing(
    school: School, verb: str, name: str
) -> None:
    os.mkfifo(school.state / name)
    result = invoke(school, verb)
    assert "unexpected" not in result.output


def test_state_is_not_followed_out_of_the_school(school: School, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("queue.db", "ledger.db-wal", "labels.jsonl.lock"):
        (outside / name).write_text("mine", "utf-8")
        (school.state / name).unlink(missing_ok=True)
        (school.state / name).symlink_to(outside / name)
    result = invoke(school, "pause")
    assert result.exit_code == 1 and "not a regular file" in result.output
    invoke(school, "run", "--now", "--detach")
    assert {path.read_text("utf-8") for path in outside.iterdir()} == {"mine"}


_LABELLER = """
import sys
from pathlib import Path
from nightschool.config.paths import School
from nightschool.stages.label_questions import Question, QuestionType, save_label
for n in range(20):
    id_ = f"{sys.argv[2]}-{n}"
    save_label(School(Path(sys.argv[1])), Question(id_, "", "", (), QuestionType.NONE), "work")
    print(id_, flush=True)
"""


def test_two_label_sessions_lose_nothing(school: School) -> None:
    school.labels_file.touch(0o640)
    sessions = [
        subprocess.Popen(
            [sys.executable, "-c", _LABELLER, str(school.root), name], stdout=subprocess.PIPE
        )
        for name in ("a", "b")
    ]
    saved = [line for session in sessions for line in session.communicate()[0].decode().split()]
    text = school.labels_file.read_text("utf-8")
    assert len(saved) == 40 == text.count("\n")
    assert all(f'"{id_}"' in text for id_ in saved)
    assert [path.name for path in school.root.glob("labels*")] == ["labels.jsonl"]
    assert school.labels_file.stat().st_mode & 0o777 == 0o640
