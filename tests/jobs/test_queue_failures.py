"""A queue that fails while a worker runs: nothing is stuck, the log stays small, and the remedy is named.

The real scheduler, consumer and Redis server; only the stages take no time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from nightschool.config.paths import School
from nightschool.jobs.policy_tick import PolicyTick
from nightschool.jobs.scheduler import Scheduler
from nightschool.jobs.worker import _Consumer
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.tasks.app import open_queue
from tests.jobs.nights import night, signals

LOG_BYTES_AN_HOUR = 20_000
FAILS_FOR_S = 12.0


class Server:
    """A Redis server of the test."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
        )
        self.client = redis.Redis(port=self.port)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(redis.RedisError):
                self.client.ping()
                return
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def config(self, name: str, value: str) -> object:
        return self.client.config_set(name, value)

    def ask(self, *words: str) -> object:
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    def send(self, number: int) -> None:
        self.process.send_signal(number)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server here")
    server = Server(tmp_path)
    yield server
    server.stop()


@contextmanager
def working(school: School, url: str) -> Iterator[Callable[[], int]]:
    """A worker without child processes; yields a function that queues a run and returns its number."""

    def perform(run: int, stage: StageName) -> bool:
        with Ledger(school.ledger_file) as ledger:
            claim = ledger.claim(run, "test", stage) if ledger.control().run_allowed else None
            if claim:
                ledger.finish(claim, {})
            return claim is not None

    def add() -> int:
        with Ledger(school.ledger_file) as ledger:
            return ledger.add_run({}, StageName.PREP, Timing.NOW).id

    queue = open_queue(school, url, perform)
    consumer = _Consumer(queue.huey, workers=1, periodic=False, initial_delay=0.1, max_delay=1.0)
    logging.getLogger("huey").setLevel(logging.ERROR)
    scheduler = Scheduler(PolicyTick(school, queue, night(), signals))
    consumer.start()
    try:
        yield add
    finally:
        consumer.stop(graceful=True)
        scheduler.stop()
        queue.close()


def seconds_until_done(school: School, run: int, limit_s: float = 60.0) -> float:
    begin = time.monotonic()
    with Ledger(school.ledger_file) as ledger:
        while ledger.run(run).state != "waiting":  # it has reached its goal
            assert time.monotonic() - begin < limit_s, "the run is stuck"
            time.sleep(0.05)
    return time.monotonic() - begin


def reason(school: School) -> tuple[str, str]:
    with Ledger(school.ledger_file) as ledger:
        newest = ledger.decisions(1)[0]
    return newest.reason, newest.detail


Change = Callable[[Server], object]
BREAKAGES: dict[str, tuple[Change, Change, str]] = {
    "gone": (Server.stop, Server.start, "start the Redis server"),
    "frozen": (
        lambda s: s.send(signal.SIGSTOP), lambda s: s.send(signal.SIGCONT), "start the Redis server",
    ),
    "full": (
        lambda s: s.config("maxmemory", "1"), lambda s: s.config("maxmemory", "0"), "raise its maxmemory",
    ),
    "password": (
        lambda s: (s.config("requirepass", "x"), s.client.client_kill_filter(_type="normal", skipme=True)),
        lambda s: (s.ask("AUTH", "x"), s.config("requirepass", "")), "the password",
    ),
    "no permission": (
        lambda s: s.ask("ACL", "SETUSER", "default", "-@sortedset"),
        lambda s: s.ask("ACL", "SETUSER", "default", "+@all"), "read and write",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BREAKAGES))
def test_run_waits_for_a_redis_server_that_fails(
    tmp_path: Path, server: Server, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    school, (fail, mend, remedy) = School(tmp_path / "school"), BREAKAGES[name]
    with working(school, server.url) as add:
        seconds_until_done(school, add())
        fail(server)
        caplog.clear()
        run = add()
        time.sleep(FAILS_FOR_S)
        held, detail = reason(school)
        assert held == "queue_down" and remedy in detail
        written = sum(len(record.getMessage()) + 1 for record in caplog.records)
        mend(server)
        back_s = seconds_until_done(school, run)
    print(f"{name}: {written} bytes in {FAILS_FOR_S:.0f} s, back after {back_s:.1f} s: {detail}")
    lasting = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(lasting) <= 4 and "Traceback" not in caplog.text
    assert back_s < 40


@pytest.mark.slow
def test_worker_starts_without_its_redis_server(tmp_path: Path, server: Server) -> None:
    school = School(tmp_path / "school")
    server.stop()
    with working(school, server.url) as add:
        run = add()
        time.sleep(5)
        assert reason(school)[0] == "queue_down"
        server.start()
        print(f"gone at the start: back after {seconds_until_done(school, run):.1f} s")


@pytest.mark.slow
def test_foreign_contents_of_a_redis_server_change_nothing(
    tmp_path: Path, server: Server, caplog: Any
) -> None:
    """Pickled revocations, 100,000 foreign messages, huge and deep ones, and a key of another type."""
    school = School(tmp_path / "school")
    with working(school, server.url) as add:
        seconds_until_done(school, add())
        (key,) = {f"huey.redis.{open_queue(school, server.url).huey.storage.name}"}
        results = key.replace("huey.redis", "huey.results")
        bomb = pickle.dumps(os.system)
        for task in ("prep", "baseline"):
            server.client.hset(results, f"rt:nightschool.tasks.app.{task}", bomb)
        foreign = {f"{'[' * 100}{number}".encode(): -100 for number in range(100_000)}
        names = list(foreign)
        for place in range(0, len(names), 10_000):
            server.client.zadd(key, {name: -100 for name in names[place : place + 10_000]})
        server.client.zadd(key, {b"x" * 20_000_000: -200, b"[" * 1_000_000: -200})
        begin = time.monotonic()
        seconds_until_done(school, add())
        print(f"100,000 messages: {time.monotonic() - begin:.1f} s")
        server.client.delete(key)
        server.client.set(key, "a text")
        begin = time.monotonic()
        seconds_until_done(school, add())
        print(f"another type: {time.monotonic() - begin:.1f} s")
    print(len(caplog.text), "bytes", [r.getMessage()[:120] for r in caplog.records])
    assert "Traceback" not in caplog.text and len(caplog.text) < LOG_BYTES_AN_HOUR


def garbage(file: Path) -> None:
    file.write_bytes(b"no database" * 9000)


def emptied(file: Path) -> None:
    for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
        with contextlib.suppress(OSError):
            os.truncate(file.with_name(name), 0)


def deleted(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be changed there")
@pytest.mark.parametrize("damage", [garbage, emptied, deleted, a_folder])
def test_run_goes_on_after_damage_to_the_queue_file(
    tmp_path: Path, damage: Callable[[Path], None], caplog: Any
) -> None:
    school = School(tmp_path / "school")
    with working(school, "sqlite") as add:
        seconds_until_done(school, add())
        damage(school.queue_file)
        back_s = seconds_until_done(school, add())
        print(f"{damage.__name__}: back after {back_s:.1f} s, {len(caplog.text)} bytes")
    assert "Traceback" not in caplog.text and back_s < 30
