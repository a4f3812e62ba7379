"""The queue: a Huey task per stage, and messages that change nothing unless the ledger agrees."""

from __future__ import annotations

import json
import os
import pickle
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from huey.consumer import Consumer

from nightschool.config.errors import QueueError
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import STAGES, StageName, Timing
from nightschool.tasks import app, attempt
from nightschool.tasks.app import StageQueue, enqueue_due, open_queue
from nightschool.tasks.runner import Runner

PREP = StageName.PREP


@pytest.fixture
def school(tmp_path: Path) -> School:
    return School(tmp_path / "my 学校")


@pytest.fixture
def ledger(school: School) -> Iterator[Ledger]:
    with Ledger(school.ledger_file) as ledger:
        yield ledger


class Worker:
    """A worker's queue whose stages take no time and always succeed."""

    def __init__(self, school: School) -> None:
        self.school = school
        self.performed: list[tuple[int, str]] = []
        self.queue = open_queue(school, "sqlite", self._perform)

    def _perform(self, run: int, stage: StageName) -> bool:
        with Ledger(self.school.ledger_file) as ledger:
            claim = ledger.claim(run, "test", stage)
            if claim is None:
                return False
            self.performed.append((run, stage))
            ledger.finish(claim, {})
        return True

    def consume(self) -> list[tuple[int, str]]:
        """Execute all messages; returns what was performed since the last call."""
        while (task := self.queue.huey.dequeue()) is not None:
            self.queue.huey.execute(task)
        performed, self.performed = self.performed, []
        return performed


@pytest.fixture
def worker(school: School) -> Iterator[Worker]:
    worker = Worker(school)
    yield worker
    worker.queue.close()


def add_run(ledger: Ledger, timing: Timing = Timing.NOW, goal: StageName = STAGES[-1]) -> int:
    return ledger.add_run({}, goal, timing).id


def stored(queue: StageQueue) -> list[bytes]:
    return [bytes(item) for item in queue.huey.storage.enqueued_items()]


def put(queue: StageQueue, *messages: object) -> None:
    for message in messages:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        queue.huey.storage.enqueue(data)


def message(task: str = "prep", run: object = 1, **more: object) -> dict[str, object]:
    return {"version": 1, "id": "a", "task": task, "run": run, "priority": 0, **more}


def test_registry_holds_a_task_for_each_stage(worker: Worker) -> None:
    names = list(worker.queue.huey._registry._registry)
    assert names == [
        f"nightschool.tasks.app.{name}"
        for name in ("prep", "baseline", "train_chunk", "evaluate", "compare")
    ]


def test_each_task_enqueues_what_comes_next(worker: Worker, ledger: Ledger) -> None:
    run = add_run(ledger)
    assert enqueue_due(worker.queue, ledger, run)
    assert worker.consume() == [(run, stage) for stage in STAGES]
    assert ledger.run(run).state == "done"
    assert worker.queue.count() == 0


def test_no_message_follows_the_goal_of_a_run(worker: Worker, ledger: Ledger) -> None:
    run = add_run(ledger, goal=StageName.BASELINE)
    enqueue_due(worker.queue, ledger, run)
    assert worker.consume() == [(run, "prep"), (run, "baseline")]


def test_message_is_json_that_names_stage_and_run(worker: Worker, ledger: Ledger) -> None:
    enqueue_due(worker.queue, ledger, add_run(ledger))
    [data] = stored(worker.queue)
    content = json.loads(data)
    assert (content["version"], content["task"], content["run"]) == (1, "prep", 1)


def test_runs_that_work_now_come_first(worker: Worker, ledger: Ledger) -> None:
    for timing in (Timing.TONIGHT, Timing.NOW, Timing.TONIGHT, Timing.NOW):
        enqueue_due(worker.queue, ledger, add_run(ledger, timing, PREP))
    assert [run for run, _ in worker.consume()] == [2, 4, 1, 3]


def test_due_stage_is_enqueued_once(worker: Worker, ledger: Ledger) -> None:
    run = add_run(ledger)
    assert [enqueue_due(worker.queue, ledger, run) for _ in range(3)] == [True, False, False]
    assert worker.queue.count() == 1


def test_lost_message_is_enqueued_again(worker: Worker, ledger: Ledger) -> None:
    run = add_run(ledger)
    enqueue_due(worker.queue, ledger, run)
    worker.queue.huey.flush()
    assert enqueue_due(worker.queue, ledger, run)


def test_nothing_is_due_for_a_run_at_work_closed_or_unknown(worker: Worker, ledger: Ledger) -> None:
    leased, cancelled = add_run(ledger), add_run(ledger)
    assert ledger.claim(leased, "another")
    ledger.cancel(cancelled)
    assert not any(enqueue_due(worker.queue, ledger, run) for run in (leased, cancelled, 99))


@pytest.mark.parametrize("task", ["baseline", "train_chunk", "compare"])
def test_message_for_another_stage_than_the_next_changes_nothing(
    worker: Worker, ledger: Ledger, task: str
) -> None:
    run = add_run(ledger)
    put(worker.queue, message(task, run))
    assert worker.consume() == []
    assert ledger.attempts_of(run) == []


def test_repeated_message_is_performed_once(worker: Worker, ledger: Ledger) -> None:
    run = add_run(ledger, goal=PREP)
    put(worker.queue, *[message("prep", run)] * 3)
    assert worker.consume() == [(run, "prep")]


HOSTILE: dict[str, object] = {
    "no JSON": b"\xff\x00",
    "a pickle": pickle.dumps(print),
    "a message of version 0.1.0": [
        "id", "nightschool.tasks.app.look_at", None, 0, 0, None, [1], {}, None, None, None, None,
    ],
    "an unknown task": message("format_disk"),
    "another version": message(version=2),
    "a run that is text": message(run="1"),
    "a run out of range": message(run=10**30),
    "retries without end": message(retries=10**9),
    "further arguments": message(kwargs={"a": 1}),
    "a list": [],
}  # fmt: skip


@pytest.mark.parametrize("name", list(HOSTILE))
def test_invalid_message_is_dropped_and_the_next_one_performed(
    worker: Worker, ledger: Ledger, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = add_run(ledger, goal=PREP)
    put(worker.queue, HOSTILE[name], message("prep", run))
    assert worker.consume() == [(run, "prep")]
    assert worker.queue.count() == 0
    assert [line.startswith("dropped an invalid message") for line in caplog.messages] == [True]


def test_message_for_an_unknown_run_changes_nothing(
    school: School, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(open_queue(school, "sqlite", Runner(school, "test").perform)) as queue:
        put(queue, message(run=99))
        queue.huey.execute(queue.huey.dequeue())
    assert caplog.messages == []


@pytest.mark.parametrize("objection", ["policy", "veto", "pause", "another run", "stopping"])
def test_message_that_the_policy_does_not_allow_changes_nothing(
    school: School, ledger: Ledger, objection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "Child", None)
    run, other = add_run(ledger), add_run(ledger)
    stop = attempt.StopRequest(Reason.ON_BATTERY, "")
    runner = Runner(school, "test", lambda: stop if objection == "veto" else None)
    decided_run = other if objection == "another run" else run
    ledger.decide(decided_run, objection != "policy", Reason.RUN_NOW)
    if objection == "pause":
        ledger.pause(None)
    if objection == "stopping":
        runner.stopping.set()
    assert not runner.perform(run, PREP)
    assert ledger.attempts_of(run) == [] and ledger.run(run).state == "queued"


def test_message_of_version_0_1_0_does_not_stop_a_consumer(worker: Worker, ledger: Ledger) -> None:
    """The program was updated with a message in its queue."""
    run = add_run(ledger)
    put(worker.queue, HOSTILE["a message of version 0.1.0"])
    enqueue_due(worker.queue, ledger, run)
    consumer = Consumer(worker.queue.huey, workers=1, periodic=False, initial_delay=0.01)
    consumer._set_signal_handlers = lambda: None
    consumer.start()
    deadline = time.monotonic() + 20
    while ledger.run(run).state != "done" and time.monotonic() < deadline:
        time.sleep(0.02)
    consumer.stop(graceful=True)
    assert ledger.run(run).state == "done"


def test_signals_reach_the_log(
    worker: Worker, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "nightschool.tasks.app")
    run = add_run(ledger, goal=PREP)
    enqueue_due(worker.queue, ledger, run)
    worker.consume()
    assert [r.getMessage() for r in caplog.records if r.name == "nightschool.tasks.app"] == [
        f"prep of run {run}: {signal}" for signal in ("enqueued", "executing", "complete")
    ]


def test_error_in_a_task_reaches_the_log_and_the_queue_continues(
    school: School, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(run: int, stage: StageName) -> bool:
        raise TypeError("a bug")

    with closing(open_queue(school, "sqlite", broken)) as queue:
        enqueue_due(queue, ledger, add_run(ledger))
        queue.huey.execute(queue.huey.dequeue())
        assert queue.count() == 0
    assert "prep of run 1: error (TypeError('a bug'))" in caplog.messages


def test_stage_is_recorded_although_the_queue_is_lost_meanwhile(
    worker: Worker, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    run = add_run(ledger)
    enqueue_due(worker.queue, ledger, run)
    task = worker.queue.huey.dequeue()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(worker.queue.huey.storage, "enqueue", full)
    worker.queue.huey.execute(task)
    assert ledger.stage(run, StageName.PREP).state == "done"
    assert "the scheduler will enqueue the next stage of run 1" in caplog.text


def test_queue_that_is_out_of_reach_is_reported_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone() -> None:
        raise OSError("the drive is gone")

    monkeypatch.setattr("nightschool.tasks.stage_huey._RETRY_S", 0.0)
    monkeypatch.setattr(worker.queue.huey.storage, "dequeue", gone)
    assert [worker.queue.huey.dequeue() for _ in range(3)] == [None] * 3
    (line,) = caplog.messages
    assert "the queue cannot be used (the drive is gone): make room" in line
    assert "the drive is gone" in worker.queue.problem
    monkeypatch.undo()
    assert worker.queue.huey.dequeue() is None and worker.queue.problem == ""


def garbage(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)


def with_other_tables(file: Path) -> None:
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE task (what TEXT)")


def folder(file: Path) -> None:
    file.unlink(missing_ok=True)
    (file / "inner").mkdir(parents=True)


def fifo(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)


DAMAGES = [
    garbage, with_other_tables, folder,
    pytest.param(fifo, marks=pytest.mark.skipif(os.name == "nt", reason="no FIFOs there")),
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_worker_begins_with_an_empty_queue_whatever_is_in_its_place(
    school: School, ledger: Ledger, damage: Callable[[Path], None]
) -> None:
    run = add_run(ledger)
    damage(school.queue_file)
    worker = Worker(school)
    enqueue_due(worker.queue, ledger, run)
    assert worker.consume() == [(run, stage) for stage in STAGES]
    worker.queue.close()


@pytest.mark.parametrize(
    "statement", ["DROP TABLE task", "ALTER TABLE task RENAME data TO content"]
)
def test_queue_that_is_damaged_while_a_worker_runs_is_made_anew(
    worker: Worker, school: School, ledger: Ledger, statement: str, caplog: Any
) -> None:
    run = add_run(ledger)
    enqueue_due(worker.queue, ledger, run)
    with closing(sqlite3.connect(school.queue_file)) as db:
        db.execute(statement)
    assert worker.consume() == [] and worker.queue.problem == ""
    assert caplog.text.count("the queue is damaged") == 1
    assert enqueue_due(worker.queue, ledger, run)
    assert worker.consume() == [(run, stage) for stage in STAGES]


def test_stored_revocations_are_neither_read_nor_obeyed(
    worker: Worker, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Huey would unpickle them."""
    run, storage = add_run(ledger), worker.queue.huey.storage
    storage.put_data("rt:nightschool.tasks.app.prep", pickle.dumps((None, False)))
    for name in ("prep", "baseline"):
        storage.put_data(f"rt:nightschool.tasks.app.{name}", b"no pickle")
    enqueue_due(worker.queue, ledger, run)
    assert worker.consume() == [(run, stage) for stage in STAGES]
    assert caplog.messages == []


def test_queue_with_very_many_messages_is_emptied(
    worker: Worker, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr("nightschool.tasks.stage_huey.MOST_MESSAGES", 50)
    put(worker.queue, *[b"{" * 1000] * 99)
    assert worker.consume() == [] and worker.queue.count() == 0
    assert len(caplog.messages) == 2 and "it held 98 messages" in caplog.messages[1]
    run = add_run(ledger)
    assert enqueue_due(worker.queue, ledger, run)
    assert worker.consume()[0] == (run, PREP)


REFUSALS = {
    "NOAUTH Authentication required.": "password",
    "OOM command not allowed when used memory > 'maxmemory'.": "maxmemory",
    "MISCONF Redis is configured to save RDB snapshots": "make room there",
    "NOPERM this user has no permissions": "keys huey.*",
    "READONLY You can't write against a read only replica.": "replica",
    "DENIED Redis is running in protected mode": "refuses other computers",
    "ERR something else": "start the Redis server",
}


@pytest.mark.parametrize("answer", list(REFUSALS))
def test_refusing_redis_server_is_an_error_with_its_remedy(school: School, answer: str) -> None:
    def refuse(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    while connection.recv(4096):
                        connection.sendall(f"-{answer}\r\n".encode())

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=refuse, args=(server,), daemon=True).start()
        queue = open_queue(school, f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        with pytest.raises(QueueError, match=re.escape(REFUSALS[answer])):
            queue.count()
        server.shutdown(socket.SHUT_RDWR)


def test_redis_server_that_never_answers_is_an_error(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_ANSWER_LIMIT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        queue = open_queue(school, f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        with pytest.raises(QueueError, match="Timeout"):
            queue.count()
