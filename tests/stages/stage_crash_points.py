"""A fault at every file operation of every stage: after it work goes on, and the result has the same bits.

python -m tests.stages.stage_crash_points --all            # every operation; prints a table
python -m tests.stages.stage_crash_points --share 0.02     # a sample, 3 or more of each act and fault

A child process dies or gets an error at an operation, the worker continues, and what is then on the disk and
in the ledger is compared with an undisturbed act. Run 1 of a tiny, real school is in use; the acts are the
stages of run 2, its promotion, and pruning.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nightschool.config import files
from nightschool.config.errors import NightschoolError
from nightschool.config.logs import log_once
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.pruning import prune_as_set
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import STAGES, StageName, Timing
from nightschool.tasks.runner import Runner
from tests.conftest import KINDS, THINGS, make_tiny_base, new_school
from tests.file_faults import DIED, inject
from tests.forked_child import SERVER, forked_children

FAULTS = ("killed", "content lost", "names lost", "ENOSPC", "EIO")
DEATHS = FAULTS[:3]
POWER_CUTS = FAULTS[1:3]
TRAIN = {
    "epochs": 1.0,
    "lora_r": 4,
    "max_tokens": 64,
    "effective_batch": 8,
    "checkpoint_minutes": 0.0,
}
# Times, what follows from them, and the digests of files that hold them.
_VOLATILE = (
    "seconds", "peak_gb", "chosen", "created", "night", "timeline", "training", "sha256", "pace", "restart_s",
    "line",
)  # fmt: skip
_MOST_ATTEMPTS = 4
Act = Callable[[School, "Fault | None"], list[str]]
"""Performs something, with a fault in it, and then until it is done; returns what was said, a line each."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at an operation of an act, counted from 1; `log` receives a line for each operation."""

    name: str
    at: int
    log: Path | None = None


def stage_of(stage: StageName) -> Act:
    """Performs a stage of run 2 as the worker does, in child processes; the first has the fault."""

    def act(school: School, fault: Fault | None) -> list[str]:
        for attempt in range(_MOST_ATTEMPTS):
            if attempt == 1 and fault and fault.name in POWER_CUTS:
                restarted(school)
            with forked_children(partial(struck, school.root, None if attempt else fault)):
                Runner(school, "worker").perform(2, stage)
            with Ledger(school.ledger_file) as ledger:
                due, attempts = ledger.due_stage(2), ledger.attempts_of(2)
            if due is not stage:
                break
        return [
            f"{a.outcome}: {a.reason}"
            for a in attempts
            if a.stage == stage and a.outcome not in (Outcome.FINISHED, Outcome.CHUNK_DONE)
        ]

    return act


def apart(change: Callable[[Path], object]) -> Act:
    """Performs a change in a process of its own; once more after a fault."""

    def act(school: School, fault: Fault | None) -> list[str]:
        said = school.root.with_name("said")
        said.write_text("", "utf-8")
        for given in (fault, None):
            process = SERVER.Process(target=_apart, args=(change, school.root, given, said))
            process.start()
            process.join()
            if process.exitcode == DIED:
                restarted(school)
            elif process.exitcode == 0 and not said.read_text("utf-8"):
                break
        return said.read_text("utf-8").splitlines()

    return act


def _apart(change: Callable[[Path], object], root: Path, fault: Fault | None, said: Path) -> None:
    out = os.open(said, os.O_WRONLY | os.O_APPEND)
    os.dup2(out, 2)
    log_once()
    struck(root, fault)
    try:
        change(root)
    except NightschoolError as error:
        os.write(2, f"error: {error}\n".encode())
        os._exit(1)
    except Exception as error:
        os.write(2, f"error: unexpected {error!r}\n".encode())
        os._exit(1)
    os._exit(0)


def struck(root: Path, fault: Fault | None) -> None:
    """Let a fault happen in this process, at an operation below the school's and the base's folder."""
    if fault:
        inject(root.parent, fault.at, fault.name, fault.log)


def restarted(school: School) -> None:
    """What a worker does when it starts; pruning is an act of its own."""
    files.clean(school.state, starting=True)
    with Ledger(school.ledger_file) as ledger:
        ledger.take_over()
        ledger.decide(2, True, Reason.RUN_NOW)


def promote(root: Path) -> None:
    with Ledger(School(root).ledger_file) as ledger:
        ledger.promote(2)


def prune(root: Path) -> None:
    prune_as_set(School(root))


def acts() -> Iterator[tuple[str, Act]]:
    for stage in STAGES:
        yield str(stage), stage_of(stage)
    yield "promotion", apart(promote)
    yield "pruning", apart(prune)


@dataclass(frozen=True, slots=True)
class Case:
    """An act in a school that stands before it, the state that follows, and its operations."""

    name: str
    before: Path
    act: Act
    expected: dict[str, Any]
    operations: list[tuple[str, str, str]]


def prepared(root: Path) -> School:
    """A school with a finished and promoted run 1, new notes, and a queued run 2."""
    base = make_tiny_base(root / "base")
    school = new_school(
        root / "school", base=base.as_posix(), train=TRAIN, ladder={"arms": ["tfidf-lr"]},
        storage={"keep_runs": 1},
    )  # fmt: skip
    _queue(school, 1)
    with forked_children():
        for stage in STAGES:
            assert Runner(school, "worker").perform(1, stage), stage
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(1)
    for kind in KINDS:
        for number, thing in enumerate(THINGS):
            text = f"{kind.upper()} of {thing}: {number * 7919} {kind[::-1]} {thing[::-1]}"
            (school.root / f"notes/{kind}/later-{number}.md").write_text(text, encoding="utf-8")
    _queue(school, 2)
    return school


def _queue(school: School, run: int) -> None:
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(load(school.settings_file).model_dump(), STAGES[-1], Timing.NOW)
        ledger.decide(run, True, Reason.RUN_NOW)


def cases(root: Path) -> Iterator[Case]:
    """Every act, each in a school that stands before it: a folder with the school and its base."""
    work = root / "at work"
    work.mkdir()
    school = prepared(work)
    for name, act in acts():
        before = root / f"before {name}"
        shutil.copytree(work, before)
        log = root / "operations"
        log.unlink(missing_ok=True)
        said = act(school, Fault("killed", 0, log))
        assert not said, (name, said)
        lines = log.read_text("utf-8").splitlines()
        operations = [(how, what, path) for how, what, path in (line.split("\t") for line in lines)]
        yield Case(name, before, act, state_of(school), operations)
        # A trial has changed it, perhaps.
        shutil.rmtree(work)
        shutil.copytree(before, work)
        act(school, None)


def state_of(school: School) -> dict[str, Any]:
    """The files of a school and what its ledger says, without times."""
    found: dict[str, Any] = {}
    for file in sorted(school.state.rglob("*")):
        path = file.relative_to(school.state).as_posix()
        if file.is_file() and not _is_passing(path):
            found[path] = _content(file)
    with Ledger(school.ledger_file) as ledger:
        found["promotions"] = ledger.promotions()
        found["prunings"] = sorted(ledger.prunings())
        found["stages"] = [(s.name, s.state) for s in ledger.stages(2)]
        artifacts = ledger.artifacts(2)
    for path, artifact in artifacts.items():
        found[f"record of {path}"] = artifact.sha256 == files.sha256(school.state / path)
    return found


def _is_passing(path: str) -> bool:
    name = path.rpartition("/")[2]
    return (
        "/logs/" in path
        or "/checkpoints/" in path  # which two are left depends on where it resumed
        or name.startswith(("ledger.db", "queue.db"))
        or name.endswith((".lock", ".lock.json"))
        or name in ("worker.json", "pace.json", "seconds.json", "signals.json", "README.md")
    )


def _content(file: Path) -> object:
    if file.suffix in (".png", ".html") or file.name == "run.json":  # times, and digests of times
        return "there"
    if file.suffix == ".json":
        return _timeless(json.loads(file.read_text("utf-8")))
    return files.sha256(file)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in _VOLATILE}
    if isinstance(value, str):  # where in a note something is, which a warning can do without
        return re.sub(r", line \d+", "", value)
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Table:
    """(act, fault, column) -> trials, and what went wrong."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


COLUMNS = ("points", "same", "leftovers", "unclear", "stuck")


def trial(case: Case, root: Path, fault: Fault) -> list[str]:
    """What went wrong: each a column of the table, with details."""
    work = root / "at work"
    shutil.rmtree(work)
    for kept in root.glob("before-*"):
        shutil.rmtree(kept)
    shutil.copytree(case.before, work)
    school = School(work / "school")
    said = case.act(school, fault)
    wrong = [f"unclear: {line}" for line in said if _unclear(line)]
    left = [path.relative_to(work).as_posix() for path in work.rglob("*.tmp")]
    if left:
        wrong.append(f"leftovers: {left}")
    found = state_of(school)
    keys = [
        key
        for key in case.expected.keys() | found.keys()
        if case.expected.get(key) != found.get(key)
    ]
    if found["stages"] != case.expected["stages"]:
        wrong.append(f"stuck: {said}")
    elif keys:
        wrong.append(f"other: {sorted(keys)[:5]}")
    return wrong


def _unclear(line: str) -> bool:
    return "unexpected" in line or ".tmp" in line or "\n" in line or line.endswith("error: ")


def points(case: Case, fault: str) -> list[int]:
    """The operations at which a fault is tried."""
    numbers = range(1, len(case.operations) + 1)
    if fault == "ENOSPC":
        return [n for n in numbers if case.operations[n - 1][0] == "write"]
    if fault != "EIO":  # to die before a reading operation is to die after the last writing one
        return [
            n for n in numbers
            if n == 1 or "write" in (case.operations[n - 1][0], case.operations[n - 2][0])
        ]  # fmt: skip
    return list(numbers)


def matrix(root: Path, share: float, least: int = 1, seed: int = 7, only: str = "") -> Table:
    """The table for a share of all operations, spread evenly; `least` or more of each act and fault."""
    table = Table()
    for case in cases(root):
        if only and case.name != only:
            continue
        for fault in FAULTS:
            numbers = points(case, fault)
            count = min(len(numbers), max(least, round(share * len(numbers))))
            for at in _sample(numbers, count, f"{seed} {case.name} {fault}"):
                how, what, path = case.operations[at - 1]
                act = (
                    "publication"
                    if path.startswith("school/.nightschool/models/run-2")
                    else case.name
                )
                wrong = trial(case, root, Fault(fault, at))
                table.counts[act, fault, "points"] += 1
                table.counts[act, fault, "same"] += not any(
                    line.startswith(("other", "stuck")) for line in wrong
                )
                for line in wrong:
                    table.counts[act, fault, line.partition(":")[0]] += 1
                    table.wrong.append(f"{act}, {fault} at {at} ({how} {what} {path}): {line}")
                    print(table.wrong[-1], file=sys.stderr, flush=True)
    return table


def _sample(numbers: list[int], count: int, seed: str) -> list[int]:
    if not count:
        return []
    width = len(numbers) / count
    start = random.Random(seed).uniform(0, width)
    return [numbers[int(start + width * n) % len(numbers)] for n in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--act", default="")
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory(prefix="crash-points-") as folder:
        os.environ["NIGHTSCHOOL_STATE"] = str(Path(folder, "state"))
        share = 1.0 if given.all else given.share
        table = matrix(Path(folder), share, 3, given.seed, given.act)
    show(table)


def show(table: Table) -> None:
    print(f"{'':<14}{'fault':<14}" + "".join(f"{column:>11}" for column in (*COLUMNS, "other")))
    for act, fault in dict.fromkeys((act, fault) for act, fault, _ in table.counts):
        numbers = (table.counts[act, fault, column] for column in (*COLUMNS, "other"))
        print(f"{act:<14}{fault:<14}" + "".join(f"{number:>11}" for number in numbers))


if __name__ == "__main__":
    main()
