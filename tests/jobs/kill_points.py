"""Processes that kill themselves at a chosen moment, for `kill_matrix`.

A moment is a function of the program; these processes patch it from outside, so that the program itself has
no hook. A process kills itself at most once: it creates the file `MARK` first.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

REPOSITORY = Path(__file__).parents[2]
MARK, POINT, SKIP = "KILL_MARK", "KILL_POINT", "KILL_SKIP"
"""Environment: the file to create; where to die; how often the moment passes before."""
WORKER_POINTS = ("message", "end of a stage", "end of the run")
CHILD_POINTS = ("checkpoint", "publication", "result")


def code(function: str) -> list[str]:
    """The command of a Python process that calls a function of this module, whatever its folder."""
    start = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from tests.jobs import kill_points"
    )
    return [sys.executable, "-c", f"{start}; kill_points.{function}()"]


def environment(point: str, mark: Path, skip: int = 0) -> dict[str, str]:
    return os.environ | {POINT: point, MARK: str(mark), SKIP: str(skip)}


def die_here() -> None:
    """Kill this process, unless the moment is to pass, or a process has died already."""
    skip = int(os.environ[SKIP])
    if skip:
        os.environ[SKIP] = str(skip - 1)
        return
    try:
        os.close(os.open(os.environ[MARK], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def before(owner: Any, name: str, condition: Callable[..., bool] = lambda *_, **__: True) -> None:
    _patch(owner, name, condition, early=True)


def after(owner: Any, name: str, condition: Callable[..., bool] = lambda *_, **__: True) -> None:
    _patch(owner, name, condition, early=False)


def _patch(owner: Any, name: str, condition: Callable[..., bool], *, early: bool) -> None:
    real = getattr(owner, name)

    def patched(*args: Any, **kwargs: Any) -> Any:
        if early and condition(*args, **kwargs):
            die_here()
        result = real(*args, **kwargs)
        if not early and condition(*args, **kwargs):
            die_here()
        return result

    setattr(owner, name, patched)


def work() -> None:
    """`nightschool work` with the kill point of the environment; retries do not wait."""
    from nightschool.cli.main import cli
    from nightschool.ledger import failures
    from nightschool.ledger.leases import LeaseTable
    from nightschool.ledger.runs import RunTable
    from nightschool.tasks import process
    from nightschool.tasks.app import StageQueue

    failures.FIRST_RETRY_S = 0.1
    point = os.environ.get(POINT, "")
    if point == "message":  # the ledger is committed, the message not sent
        before(StageQueue, "enqueue")
    elif point == "end of a stage":  # inside the transaction
        after(LeaseTable, "_end")
    elif point == "end of the run":  # inside the transaction that may promote
        after(RunTable, "_set_run", lambda _, __, state, *___: state == "done")
    real = subprocess.Popen

    def start(command: list[str], **kwargs: Any) -> Any:
        if "nightschool.tasks.child" in command:
            command, kwargs["env"] = code("child"), kwargs["env"] | _own_environment()
        return real(command, **kwargs)

    vars(process)["subprocess"] = SimpleNamespace(PIPE=subprocess.PIPE, Popen=start)
    cli(["--school", sys.argv[1], "work"])


def _own_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in (POINT, MARK, SKIP) if name in os.environ}


def child() -> None:
    """A child process with the kill point of the environment."""
    from nightschool.config import files
    from nightschool.tasks.child import main

    point = os.environ.get(POINT, "")
    patch = random.choice((before, after))  # a rename happens in one moment: die before or after it
    if point == "checkpoint":
        patch(files, "replace", lambda _, final: final.name.startswith("step-"))
    elif point == "publication":
        patch(files, "replace", lambda _, final: final.parent.name == "models")
    elif point == "result":
        patch(files, "replace", lambda _, final: final.name in RESULTS)
    main()


RESULTS = ("prep.json", "baseline.json", "train.json", "evaluate.json", "compare.json")


def promote() -> None:
    """Promote run 1, and die inside the transaction."""
    from nightschool.config.paths import School
    from nightschool.ledger.ledger import Ledger

    with Ledger(School(Path(sys.argv[1])).ledger_file) as ledger:
        patch = random.choice((before, after))
        patch(Ledger, "_write_promotion")
        ledger.promote(1)


def label() -> None:
    """Write labels until killed; each that is acknowledged is printed."""
    from nightschool.config import files
    from nightschool.config.errors import NightschoolError
    from nightschool.config.paths import School
    from nightschool.stages.label_questions import Question, QuestionType, save_label

    if os.environ.get(POINT):
        patch = random.choice((before, after))
        patch(files, "replace", lambda _, final: final.name == "labels.jsonl")
    for number in range(40):
        id_ = f"{os.getpid()}-{number}"
        try:
            question = Question(id_, "a text", "a.md", (), QuestionType.NONE)
            save_label(School(Path(sys.argv[1])), question, "none")
        except NightschoolError:
            continue  # refused, not acknowledged
        print(id_, flush=True)


def migrate() -> None:
    """Open a ledger of an older version, and die between two statements of its migration."""
    from nightschool.ledger import schema
    from nightschool.ledger.ledger import Ledger

    real = schema._statements

    def statements(script: str) -> Any:
        for statement in real(script):
            die_here()
            yield statement
        die_here()

    schema._statements = statements
    Ledger(Path(sys.argv[1])).close()
