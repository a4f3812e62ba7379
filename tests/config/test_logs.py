from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nightschool.config.logs import BoundedLog, OnceInAWhile, rotate, truncate


def test_a_log_keeps_its_newest_lines_in_twice_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "worker.log"
    log = BoundedLog(file, limit=1000)
    for number in range(500):
        print(f"line {number}", file=log)
    kept = file.with_name("worker.log.1").read_text() + file.read_text()
    assert kept.endswith("line 498\nline 499\n") and 1000 <= len(kept) <= 2100
    assert sorted(f.name for f in file.parent.iterdir()) == ["worker.log", "worker.log.1"]


def test_a_full_disk_loses_lines_but_raises_nothing(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "worker.log")
    log._stream.close()
    print("lost", file=log)


def test_only_a_large_log_is_moved_or_emptied(tmp_path: Path) -> None:
    file = tmp_path / "train.log"
    rotate(file)
    file.write_bytes(b"x" * 10)
    rotate(file, limit=10)
    truncate(file, limit=10)
    assert file.stat().st_size == 10
    with file.open("ab", buffering=0) as child:
        truncate(file, limit=9)
        child.write(b"newer")
    assert file.read_bytes() == b"newer"
    rotate(file, limit=4)
    assert [f.name for f in tmp_path.iterdir()] == ["train.log.1"]


def test_a_message_that_repeats_is_counted_instead(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    logger = logging.getLogger("test.once")
    logger.addFilter(once := OnceInAWhile(lambda: now[0]))
    try:
        for second in range(3700):
            now[0] = float(second)
            logger.warning("no answer for %d s", second)
            logger.warning("the %s is full", "disk")
    finally:
        logger.removeFilter(once)
    assert [record.getMessage() for record in caplog.records] == [
        "no answer for 0 s",
        "the disk is full",
        "no answer for 3600 s (and 3599 times in the hours before)",
        "the disk is full (and 3599 times in the hours before)",
    ]
