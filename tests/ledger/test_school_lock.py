from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from nightschool.config.errors import LedgerBusy, LedgerElsewhere
from nightschool.config.file_systems import FileSystem
from nightschool.ledger import school_lock
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.school_lock import here, holder, lock_to_work, lock_to_write

HOLD = """
import sys; from pathlib import Path
from nightschool.ledger.school_lock import lock_to_work
lock_to_work(Path(sys.argv[1])); print("held", flush=True); sys.stdin.read()
"""


@pytest.fixture
def other_worker(tmp_path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout and process.stdout.readline().strip() == b"held"
    return process


def move_elsewhere(state: Path, is_local: bool = False, **changes: Any) -> None:
    """Change the place that the worker has recorded, as if it used another mount or computer."""
    at_work = holder(state)
    assert at_work
    moved = replace(at_work, place=replace(at_work.place, **changes), is_local=is_local)
    (state / "school.lock.json").write_text(json.dumps(asdict(moved)), "utf-8")


def test_beside_the_worker_of_the_same_place_no_other_lock_is_needed(
    tmp_path: Path, other_worker: subprocess.Popen[bytes]
) -> None:
    found = holder(tmp_path)
    assert found and (found.pid, found.place, found.is_worker) == (
        other_worker.pid,
        here(tmp_path),
        True,
    )
    assert lock_to_write(tmp_path) is None
    other_worker.kill()
    other_worker.communicate()


@pytest.mark.parametrize("change", [{"device": -1}, {"boot": "another", "host": "desk"}])
def test_a_worker_in_another_place_is_named_until_it_is_dead(
    tmp_path: Path, other_worker: subprocess.Popen[bytes], change: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(school_lock, "_BUSY_S", 0.2)
    move_elsewhere(tmp_path, **change)
    with pytest.raises(LedgerElsewhere, match="works on this school since") as refused:
        Ledger(tmp_path / "ledger.db")
    assert str(change.get("host", os.uname().nodename)) in refused.value.message
    other_worker.kill()
    other_worker.communicate()
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.runs() == []


def test_a_worker_on_this_computer_refuses_at_once(
    tmp_path: Path, other_worker: subprocess.Popen[bytes]
) -> None:
    move_elsewhere(tmp_path, device=-1)
    with pytest.raises(LedgerElsewhere):
        lock_to_work(tmp_path)
    other_worker.kill()
    other_worker.communicate()


def test_after_a_power_cut_a_school_on_a_local_disk_is_free_at_once(
    tmp_path: Path, other_worker: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(school_lock, "_BREAK_LIMIT_S", 0.0)
    other_worker.kill()
    other_worker.communicate()
    # Another process has its number by now.
    record = tmp_path / "school.lock.json"
    marker = tmp_path / "school.lock"
    pid = str(os.getpid())
    record.write_text(record.read_text("utf-8").replace(str(other_worker.pid), pid), "utf-8")
    marker.write_text(
        marker.read_text("ascii").replace(f"pid={other_worker.pid}", f"pid={pid}"), "ascii"
    )
    move_elsewhere(tmp_path, is_local=True, boot="before")
    said: list[str] = []
    with Ledger(tmp_path / "ledger.db") as ledger:
        assert ledger.runs() == []
    lock_to_work(tmp_path, said.append).release()
    assert said == []


def test_a_command_waits_for_a_worker_that_has_not_recorded_itself_yet(
    tmp_path: Path, other_worker: subprocess.Popen[bytes]
) -> None:
    record = tmp_path / "school.lock.json"
    recorded = record.read_text("utf-8")
    record.unlink()
    writer = threading.Timer(0.6, record.write_text, (recorded, "utf-8"))
    writer.start()
    assert lock_to_write(tmp_path) is None
    writer.join()
    other_worker.kill()
    other_worker.communicate()


def test_a_silent_holder_on_another_computer_is_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(school_lock, "SILENT_S", 1.0)
    monkeypatch.setattr(school_lock, "_TOUCHED_EVERY_S", 0.3)
    marker = "filelock/2\npid=1\nhost=desk\nmode=lease\ntoken={}\nduration=1.0\nstart=1\n"
    (tmp_path / "school.lock").write_text(marker.format("a" * 32), "ascii")
    said: list[str] = []
    lock = lock_to_work(tmp_path, said.append)
    assert len(said) == 1 and "waiting 1 s for a sign of life" in said[0]
    assert holder(tmp_path)
    lock.release()
    assert holder(tmp_path) is None


def test_what_lost_its_lock_writes_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(school_lock, "file_system", lambda folder: FileSystem("nfs", False))
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.pause(None)
        (tmp_path / "school.lock").unlink()
        with pytest.raises(LedgerBusy):
            ledger.resume()
        assert ledger.control().paused
