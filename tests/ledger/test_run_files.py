"""`run.json`, and the ledger that is made again from it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nightschool.config import files
from nightschool.config.errors import LedgerLost
from nightschool.ledger.artifacts import Artifact
from nightschool.ledger.forgettings import AffectedRun
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Answerer, StageName, Timing
from nightschool.ledger.restoring import FoundRun, check_rows
from nightschool.ledger.run_files import _ROWS, read_run_file, write_run_files
from tests.ledger.claims import Clock, add, claimed, finish_all
from tests.ledger.test_store import WRITERS


def of_run(folder: Path, run: int) -> Path:
    return folder / "runs" / str(run) / "run.json"


def assert_current(ledger: Ledger, folder: Path) -> None:
    for run in ledger.run_numbers():
        expected = {name: [dict(row) for row in ledger._rows(q, run)] for name, q in _ROWS.items()}
        assert read_run_file(of_run(folder, run)) == expected
        check_rows(expected, run)


@pytest.mark.parametrize("name", WRITERS)
def test_whatever_changes_a_run_changes_its_file(ledger: Ledger, tmp_path: Path, name: str) -> None:
    run = add(ledger)
    ledger.promote(add(ledger))
    assert_current(ledger, tmp_path)
    WRITERS[name](ledger, run)
    assert_current(ledger, tmp_path)


def test_progress_writes_no_file(ledger: Ledger, tmp_path: Path) -> None:
    claim = claimed(ledger, add(ledger))
    of_run(tmp_path, 1).unlink()
    ledger.progress(claim, 1, 2, 0.5, 3.0)
    assert not of_run(tmp_path, 1).exists()


def test_a_file_that_cannot_be_written_is_written_with_the_next_change(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", full)
        run = add(ledger)
    assert not of_run(tmp_path, run).exists()
    ledger.pause(None)
    assert_current(ledger, tmp_path)


def test_the_runs_of_an_older_ledger_get_their_files_a_few_at_a_time(
    ledger: Ledger, tmp_path: Path
) -> None:
    runs = [add(ledger) for _ in range(25)]
    shutil.rmtree(tmp_path / "runs")
    ledger._db.executemany("INSERT INTO changed_runs VALUES (?)", [(run,) for run in runs])
    ledger.pause(None)
    assert sorted(int(path.name) for path in (tmp_path / "runs").iterdir()) == runs[5:]
    ledger.resume()
    assert_current(ledger, tmp_path)


def everything(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """What a rebuilt ledger must hold as before; promotions and exposures get new numbers."""
    queries = {
        **{table: f"SELECT * FROM {table} ORDER BY 1, 2, 3" for table in ("runs", "artifacts", "prunings",
           "forgettings", "forgetting_runs", "damaged_models")},
        "stages": "SELECT run, name, position, state, finished, result FROM stages ORDER BY 1, 3",
        "promotions": "SELECT run, at, by FROM promotions ORDER BY id",
        "exposures": "SELECT at, run, answerer, seed, model_run, dataset, test FROM test_exposures ORDER BY at",
    }  # fmt: skip
    return {name: [tuple(row) for row in ledger._rows(query)] for name, query in queries.items()}


@pytest.fixture
def full_ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    """Three finished runs and a queued one, with a row in every table, and promotions back and forth."""

    def tick() -> float:
        clock.now += 1
        return clock.now

    with Ledger(tmp_path / "ledger.db", tick) as ledger:
        for run in (add(ledger), add(ledger), add(ledger)):
            ledger.record_exposure(run, Answerer.BASE, f"d{run}", "t")
            finish_all(ledger, run)
            ledger.record_artifacts(run, StageName.TRAIN, [Artifact(f"runs/{run}/x", "0" * 64, 9)])
        for run in (1, 2, 1, 3):
            ledger.promote(run)
        ledger.rollback()
        ledger.mark_damaged(3, "runs/3/x is missing")
        ledger.record_prunings({"models/run-2/adapter": 5, "runs/1/checkpoints": 7}, keep=1)
        retraining = add(ledger, StageName.TRAIN, Timing.TONIGHT)
        number = ledger.begin_forgetting(["a"], 2, [AffectedRun(2, 1, "d"), AffectedRun(1, 0, "e")],
                                         retrain=True)  # fmt: skip
        ledger.finish_forgetting(number, retraining)
        yield ledger


def test_a_ledger_is_made_again_from_the_files_of_its_runs(
    full_ledger: Ledger, tmp_path: Path
) -> None:
    before = everything(full_ledger)
    assert full_ledger.promotions() == [1, 2, 1] and all(before.values())
    results = {
        run: {StageName(s.name): s.result for s in full_ledger.stages(run) if s.result is not None}
        for run in full_ledger.run_numbers()
    }
    found = [
        FoundRun(read_run_file(of_run(tmp_path, run)), results[run])
        for run in full_ledger.run_numbers()
    ]
    with Ledger(tmp_path / "new" / "ledger.db", anew=True) as ledger:
        assert ledger.restore(found) == [1, 2, 3, 4]
        assert everything(ledger) == before
        assert ledger.restore(found) == []
        assert ledger.rollback() == 2
        assert add(ledger) == 5
        assert_current(ledger, tmp_path / "new")


def test_a_ledger_that_lacks_a_run_gets_it_and_the_promotions_their_order(
    full_ledger: Ledger, tmp_path: Path
) -> None:
    found = [FoundRun(read_run_file(of_run(tmp_path, 1)))]
    before = full_ledger.promotions()
    full_ledger._db.execute("PRAGMA foreign_keys = OFF")
    for table in (
        "forgetting_runs",
        "promotions",
        "prunings",
        "artifacts",
        "test_exposures",
        "stages",
    ):
        full_ledger._db.execute(f"DELETE FROM {table} WHERE run = 1")
    full_ledger._db.execute("DELETE FROM runs WHERE id = 1")
    assert full_ledger.promotions() == [2]
    assert full_ledger.restore(found) == [1]
    assert full_ledger.promotions() == before == [1, 2, 1]


@pytest.mark.parametrize("loss", ["gone", "no bytes", "no tables", "no runs"])
@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize("left", ["runs/7", "models/run-7"])
def test_beside_runs_nobody_begins_a_new_ledger(
    tmp_path: Path, loss: str, writes: bool, left: str
) -> None:
    file = tmp_path / "ledger.db"
    Ledger(file, writes=writes).close()  # nothing lies beside it: a new school
    if loss in ("gone", "no bytes"):
        for path in tmp_path.iterdir():
            path.unlink()
        if loss == "no bytes":
            file.touch()
    elif loss == "no tables":
        file.unlink()
        with Ledger(file) as ledger:
            for (name,) in ledger._db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            ).fetchall():
                ledger._db.execute(f"DROP TABLE {name}")
            ledger._db.execute("PRAGMA user_version = 0")
    (tmp_path / left).mkdir(parents=True)
    before = file.read_bytes() if file.exists() else None
    with pytest.raises(LedgerLost, match=r"ledger.db is (gone|empty), but run 7 is there: `nights"):
        Ledger(file, writes=writes)
    assert (file.read_bytes() if file.exists() else None) == before
    Ledger(file, anew=True).close()


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"version": 1, "runs": []}', b'{"version": 2}']
)
def test_a_damaged_run_file_is_refused(tmp_path: Path, content: bytes) -> None:
    files.write(tmp_path / "run.json", content)
    with pytest.raises(ValueError):
        read_run_file(tmp_path / "run.json")


def test_a_changed_run_file_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    add(ledger)
    file = of_run(tmp_path, 1)
    file.write_bytes(file.read_bytes().replace(b"compare", b"baseline"))
    with pytest.raises(ValueError, match="differs from its checksum"):
        read_run_file(file)


def test_a_ledger_that_is_locked_leaves_the_file_for_later(ledger: Ledger, tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as other:
        other._db.execute("PRAGMA busy_timeout = 10")
        ledger._db.execute("BEGIN IMMEDIATE")
        write_run_files(other._db, tmp_path)
        ledger._db.execute("ROLLBACK")
