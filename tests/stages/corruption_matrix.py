"""Damages each file that a stage or a verb reads, in each way, and compares what comes of it.

python -m tests.stages.corruption_matrix               # everything; prints two tables
python -m tests.stages.corruption_matrix --share 0.1   # a sample

Run 1 of a tiny, real school is in use; run 2 stands before each of its stages in turn, once in the middle
of its training. Only files that the undisturbed act opens are damaged: others cannot change it. A trial is
bounded by the processor time of this process, so that a busy machine fails none. The superuser may read
everything: as another user, unreadable files are tried as well.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner

from nightschool.cli.main import cli
from nightschool.config.errors import NightschoolError, Stopped
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.repair.finding import RepairRemedy
from nightschool.jobs.repair.school_repair import repair
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import STAGES, StageName, Timing
from nightschool.stages.child_jobs import NoteText
from nightschool.stages.classification import classify
from nightschool.stages.run_stage import run_stage
from tests.conftest import KINDS, THINGS, make_tiny_base, new_school

LIMIT_S = 60.0
"""Processor time of a trial; the longest one takes 5 s."""
IDLE_S = 30.0
"""A trial that takes no processor time for this long hangs."""
TRAIN = {
    "epochs": 2.0,
    "lora_r": 4,
    "max_tokens": 64,
    "effective_batch": 8,
    "checkpoint_minutes": 0.0,
}
Act = Callable[[School], object]
"""Does something in a school and returns what must be the same with a damaged file, or absent."""


class Parent:
    """A parent in this process; asks for a stop after so many reports of progress."""

    born = 0.0

    def __init__(self, steps: int = sys.maxsize) -> None:
        self.answers: list[Any] = []
        self._left = steps

    def classified(self, note: Any) -> None:
        self.answers.append(note)

    def say(self, kind: str, message: str) -> None: ...

    def progress(self, *_: object) -> None:
        self._left -= 1

    def should_stop(self) -> bool:
        return self._left < 0


def perform(school: School, run: int, stage: StageName) -> None:
    """Perform a whole stage, and record its end as a worker does."""
    with Ledger(school.ledger_file) as ledger:
        claim = ledger.claim(run, "worker", stage)
        assert claim
        ending = run_stage(school, run, stage, cast(Any, Parent()))
        while ending.outcome is Outcome.CHUNK_DONE:
            ending = run_stage(school, run, stage, cast(Any, Parent()))
        assert ending.result is not None, ending
        result = ending.result.model_dump(mode="json")
        ledger.finish(claim, result, artifacts=ending.artifacts)


def act_of(stage: StageName) -> Act:
    """Performs a stage of run 2; returns what it found, without times."""

    def act(school: School) -> object:
        perform(school, 2, stage)
        return found_by(school, stage)

    return act


def found_by(school: School, stage: StageName) -> object:
    """What a stage of run 2 found, without times."""
    found = json.loads((school.run_folder(2) / f"{stage}.json").read_text("utf-8"))
    if stage is StageName.COMPARE:
        file = school.run_folder(2) / "report" / "report.json"
        found |= {"report": json.loads(file.read_text("utf-8"))}
        for key in ("created", "night", "timeline", "training"):
            found["report"].pop(key)
    for key in ("sha256", "seconds", "chosen", "peak_gb"):
        found.pop(key, None)
    return found


def repaired(then: Act) -> Act:
    """Repairs a school, then acts in it. Raises NightschoolError if the repair says that something is lost."""

    def act(school: School) -> object:
        findings = list(repair(school))
        assert all("\n" not in finding.line(dry=False) for finding in findings)
        found = then(school)
        if any(finding.remedy is RepairRemedy.LOST for finding in findings):
            raise NightschoolError("listed as lost")
        return found

    return act


def rest_of_run(school: School) -> object:
    """Performs the stages of run 2 that are due; returns what they all found."""
    while True:
        with Ledger(school.ledger_file) as ledger:
            stage = ledger.due_stage(2)
        if stage is None:
            return [found_by(school, stage) for stage in STAGES]
        perform(school, 2, stage)


def classified(school: School) -> object:
    parent = Parent()
    notes = [NoteText(source="-", text=text) for text in ("Buy bread.", "次からは先に試す。")]
    classify(school, 1, notes, False, cast(Any, parent))
    return [(note.kind, note.probability) for note in parent.answers]


_PROBLEM = re.compile(
    r"(?<!night.exclusive) is (damaged|missing|empty|gone|not a regular file)\b"
    r"| cannot be used\b|ledger\.db cannot be "
)


def verb(*arguments: str) -> Act:
    """Calls a verb; returns its exit code and output. Raises what an expected error raises."""

    def act(school: School) -> object:
        done = CliRunner().invoke(
            cli, ["--school", str(school.root), *arguments], terminal_width=200
        )
        text = done.output.replace(str(school.root), "SCHOOL")
        if "unexpected" in text or (done.exception and not isinstance(done.exception, SystemExit)):
            if "unexpected" not in text and text.startswith("nightschool: "):
                raise NightschoolError(text.strip())
            raise RuntimeError(text.strip() or repr(done.exception))
        if done.exit_code:
            raise NightschoolError(text.strip())
        if _PROBLEM.search(text.replace("nothing is damaged", "")):
            raise NightschoolError("listed with its problem")
        return text

    return act


def damages() -> dict[str, Callable[[Path, random.Random], object]]:
    """How a file is damaged, by name."""

    def flip(file: Path, dice: random.Random) -> None:
        content = bytearray(file.read_bytes())
        if content:
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
            file.write_bytes(content)

    def in_place(make: Callable[[Path], object]) -> Callable[[Path, random.Random], object]:
        def damage(file: Path, dice: random.Random) -> None:
            file.unlink()
            make(file)

        return damage

    found: dict[str, Callable[[Path, random.Random], object]] = {
        "emptied": lambda file, dice: file.write_bytes(b""),
        "halved": lambda file, dice: file.write_bytes(
            file.read_bytes()[: file.stat().st_size // 2]
        ),
        "flipped": flip,
        "flipped 2": flip,
        "garbage": lambda file, dice: file.write_bytes(dice.randbytes(200)),
        "list": lambda file, dice: file.write_text("[1]\n", "utf-8"),
        "object": lambda file, dice: file.write_text("{}\n", "utf-8"),
        "missing": lambda file, dice: file.unlink(),
        "folder": in_place(lambda file: file.mkdir()),
    }
    if hasattr(os, "mkfifo"):
        found["fifo"] = in_place(os.mkfifo)
    if _can_forbid():
        found["unreadable"] = lambda file, dice: file.chmod(0)
    return found


def _can_forbid() -> bool:
    """Whether this user cannot read what nobody may read; the superuser can."""
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        return not os.access(file.name, os.R_OK)


_KINDS_OF_FILE = (
    (r"ledger\.db", "ledger"),
    (r"runs/\d+/run\.json", "run.json"),
    (r"runs/\d+/(prep|baseline|train|evaluate|compare)\.json", "results"),
    (r"runs/\d+/(plan|trained|seconds)\.json", "training's state"),
    (r"runs/\d+/checkpoints/", "checkpoints"),
    (r"(runs|models)/[^/]+/adapter/", "adapters"),
    (r"models/.*", "model cards"),
    (r"runs/\d+/report/", "reports"),
    (r"runs/", "other files of runs"),
    (r"datasets/sides\.json", "split assignments"),
    (r"datasets/", "datasets"),
    (r"quantised/", "quantised base"),
    (r"", "small state"),
)


def kind_of(path: str) -> str:
    """The kind of a file, for the table."""
    return next(kind for pattern, kind in _KINDS_OF_FILE if re.match(pattern, path))


@dataclass(frozen=True, slots=True)
class Case:
    """An act in a school, what it returns if nothing is damaged, and the files that it opens."""

    name: str
    school: School
    act: Act
    expected: object
    files: tuple[str, ...]


_OPENED: list[set[str]] = []


def _note_opened(event: str, arguments: tuple[Any, ...]) -> None:
    if _OPENED and event == "open" and isinstance(arguments[0], str | os.PathLike):
        _OPENED[-1].add(os.fspath(arguments[0]))


def case_of(name: str, school: School, act: Act, *, loads: bool = True) -> Case:
    """Act once in a copy, undisturbed. `loads`: whether the act may load a model."""
    with copy_of(school) as copy:
        state, opened = copy.state, set[str]()
        before = {file for file in state.rglob("*") if file.is_file()}
        _OPENED.append(opened)
        try:
            expected = act(copy)
        finally:
            _OPENED.pop()
        # safetensors opens its files without Python; only what loads torch needs it.
        unseen = {file for file in before if file.suffix == ".safetensors"} if loads else set()
        read = {file for file in before if str(file) in opened} | unseen
        skipped = ("ledger.db-", "queue.db", ".lock", "logs")
        paths = sorted(file.relative_to(state).as_posix() for file in read)
    return Case(
        name, school, act, expected, tuple(p for p in paths if not any(s in p for s in skipped))
    )


@contextlib.contextmanager
def copy_of(school: School) -> Iterator[School]:
    # Always in the same folder: paths are part of what is compared.
    root = school.root.parent / "at work"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(school.root, root, copy_function=_linked)
    try:
        yield School(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


_REPLACED = (".json", ".safetensors", ".md", ".png", ".html")
"""Files that are only ever replaced as a whole."""


def _linked(source: str, target: str) -> object:
    """A hard link to a file that is never written in place; else a copy."""
    if source.endswith(_REPLACED):
        os.link(source, target)
        return target
    return shutil.copy2(source, target)


def _own(file: Path) -> None:
    """Give a file its own content, so that damage does not reach what it is linked to."""
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """A context that takes a bounded processor time. Raises TimeoutError."""
    began = last = time.process_time()
    idle = 0

    def look(*_: object) -> None:
        nonlocal last, idle
        now = time.process_time()
        idle, last = (idle + 1 if now - last < 0.001 else 0), now
        if now - began > LIMIT_S or idle >= IDLE_S:
            raise TimeoutError

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def outcome(
    case: Case, path: str, damage: Callable[[Path, random.Random], object], seed: str
) -> str:
    """What comes of a damage: same, line, silent, unexpected or hang; the last three with details."""
    with copy_of(case.school) as copy:
        _own(copy.state / path)
        damage(copy.state / path, random.Random(seed))
        try:
            with bounded():
                found = case.act(copy)
        except NightschoolError as error:
            return "line" if "\n" not in str(error) else f"unexpected: {error}"
        except TimeoutError:
            return "hang"
        except (Exception, Stopped) as error:
            return f"unexpected: {type(error).__name__}: {error}"
    return "same" if found == case.expected else "silent"


def cases(root: Path) -> Iterator[tuple[str, School, Act, bool]]:
    """Every stage of run 2 and every verb, each with the school that stands before it.

    The last value says whether the act may load a model.
    """
    base = make_tiny_base(root / "base")
    school = new_school(
        root / "my 学校", base=base.as_posix(), train=TRAIN, ladder={"arms": ["tfidf-lr"]}
    )
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(load(school.settings_file).model_dump(), STAGES[-1], Timing.NOW)
    for stage in STAGES:
        perform(school, 1, stage)
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(1)
        ledger.add_run(load(school.settings_file).model_dump(), STAGES[-1], Timing.NOW)
    for kind in KINDS:
        for number, thing in enumerate(THINGS):
            text = f"{kind.upper()} of {thing}: {number * 7919} {kind[::-1]} {thing[::-1]}"
            (school.root / f"notes/{kind}/later-{number}.md").write_text(text, encoding="utf-8")
    for stage in STAGES:
        if stage is StageName.TRAIN:
            run_stage(school, 2, stage, cast(Any, Parent(steps=2)))
        before = School(root / f"before {stage}")
        shutil.copytree(school.root, before.root)
        yield stage, before, act_of(stage), True
        perform(school, 2, stage)
        if stage is not StageName.PREP:
            yield f"repair, {stage}", before, repaired(rest_of_run), True
    yield "classify", school, classified, True
    yield "repair, classify", school, repaired(classified), True
    for line in (
        "models", "models --json", "report", "report --json", "promote 1", "rollback", "status", "log",
        "notes --json", "run", "repair --dry-run",
    ):  # fmt: skip
        yield line, school, verb(*line.split()), False
    for line in ("clean --dry-run", "clean --yes"):
        yield line, school, _only_done(verb(*line.split())), False
    yield "why", school, _why, False


def _only_done(act: Act) -> Act:
    """An act whose output rightly differs, such as sizes of files."""

    def done(school: School) -> None:
        act(school)

    return done


def _why(school: School) -> object:
    return json.loads(str(verb("why", "--json")(school)))["reason"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One damage of one file before one act, and what came of it."""

    act: str
    path: str
    damage: str
    outcome: str
    """same, line, silent, unexpected or hang"""
    detail: str = ""


def matrix(
    root: Path, share: float, seed: int, only: Callable[[str], bool] = lambda name: True
) -> Iterator[Trial]:
    """A share of all trials, at least 4 of each act; `only` selects acts by name."""
    sys.addaudithook(_note_opened)
    for name, school, act, loads in cases(root):
        if not only(name):
            continue
        case = case_of(name, school, act, loads=loads)
        trials = [(path, name) for path in case.files for name in tried_on(path)]
        size = min(len(trials), max(4, round(share * len(trials))))
        print(f"{case.name}: {size} of {len(trials)} trials", file=sys.stderr, flush=True)
        for path, name in random.Random(f"{seed} {case.name}").sample(trials, size):
            found = outcome(case, path, damages()[name], f"{seed} {path} {name}")
            word, _, detail = found.partition(": ")
            yield Trial(case.name, path, name, word, detail)


def tried_on(path: str) -> list[str]:
    """The damages to try on a file. SQLite's pages have no checksums: a flipped bit there may be silent."""
    return [name for name in damages() if not (kind_of(path) == "ledger" and "flipped" in name)]


OUTCOMES = ("same", "line", "silent", "unexpected", "hang")


def table(rows: Iterable[tuple[str, str]], head: str) -> str:
    """A Markdown table that counts outcomes by name, with a sum."""
    counts = Counter(rows)
    names = list(dict.fromkeys(name for name, _ in counts))
    lines = [f"| {head} | {' | '.join(OUTCOMES)} |", "|---" * (len(OUTCOMES) + 1) + "|"]
    for name in names:
        lines.append(f"| {name} | {' | '.join(str(counts[name, word]) for word in OUTCOMES)} |")
    total = [sum(counts[name, word] for name in names) for word in OUTCOMES]
    lines.append(f"| all | {' | '.join(map(str, total))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="", help="acts whose names hold this regular expression")
    given = parser.parse_args()
    trials: list[Trial] = []
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="corruption-") as folder:
        chosen = re.compile(given.only)
        for trial in matrix(
            Path(folder), given.share, given.seed, lambda name: bool(chosen.search(name))
        ):
            trials.append(trial)
            if trial.outcome not in ("same", "line"):
                print(trial, file=sys.stderr, flush=True)
    print(table(((trial.act, trial.outcome) for trial in trials), "act"), end="\n\n")
    pairs = ((f"{kind_of(t.path)}, {t.damage}", t.outcome) for t in sorted(trials, key=_by_kind))
    print(table(pairs, "file, damage"))
    print(f"\n{len(trials)} trials, {time.process_time() - began:.0f} s of processor time")


def _by_kind(trial: Trial) -> tuple[str, list[str]]:
    return kind_of(trial.path), [trial.damage]


if __name__ == "__main__":
    main()
