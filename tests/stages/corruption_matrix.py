"""Damages each file that a stage or a verb reads, in each way, and compares what comes of it.

python -m tests.stages.corruption_matrix               # everything, an hour or more; prints a table
python -m tests.stages.corruption_matrix --share 0.1   # a sample

Run 1 of a tiny, real school is in use; run 2 stands before each of its stages in turn, once in the middle
of its training. Only files that the undisturbed act opens are damaged: others cannot change it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner

from nightschool.cli.main import cli
from nightschool.config.errors import NightschoolError, Stopped
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import STAGES, StageName, Timing
from nightschool.stages.child_jobs import NoteText
from nightschool.stages.classification import classify
from nightschool.stages.run_stage import run_stage
from tests.conftest import KINDS, THINGS, make_tiny_base, new_school

LIMIT_S = 120
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
        found = json.loads((school.run_folder(2) / f"{stage}.json").read_text("utf-8"))
        if stage is StageName.COMPARE:
            file = school.run_folder(2) / "report" / "report.json"
            found |= {"report": json.loads(file.read_text("utf-8"))}
            for key in ("created", "night", "timeline", "training"):
                found["report"].pop(key)
        for key in ("sha256", "seconds", "chosen", "peak_gb"):
            found.pop(key, None)
        return found

    return act


def classified(school: School) -> object:
    parent = Parent()
    notes = [NoteText(source="-", text=text) for text in ("Buy bread.", "次からは先に試す。")]
    classify(school, 1, notes, False, cast(Any, parent))
    return [(note.kind, note.probability) for note in parent.answers]


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
        if " damaged (" in text or " is missing" in text or "cannot be used" in text:
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
    if hasattr(os, "getuid") and os.getuid():  # the superuser may read everything
        found["unreadable"] = lambda file, dice: file.chmod(0)
    return found


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


def case_of(name: str, school: School, act: Act) -> Case:
    """Act once in a copy, undisturbed."""
    with copy_of(school) as copy:
        state, opened = copy.state, set[str]()
        before = {file for file in state.rglob("*") if file.is_file()}
        _OPENED.append(opened)
        try:
            expected = act(copy)
        finally:
            _OPENED.pop()
        # safetensors opens its files without Python.
        read = {file for file in before if str(file) in opened or file.suffix == ".safetensors"}
        skipped = ("ledger.db", "queue.db", "work.lock", "logs", "write.lock")
        paths = sorted(file.relative_to(state).as_posix() for file in read)
    return Case(
        name, school, act, expected, tuple(p for p in paths if not any(s in p for s in skipped))
    )


@contextlib.contextmanager
def copy_of(school: School) -> Iterator[School]:
    # Always in the same folder: paths are part of what is compared.
    root = school.root.parent / "at work"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(school.root, root)
    try:
        yield School(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def outcome(
    case: Case, path: str, damage: Callable[[Path, random.Random], object], seed: str
) -> str:
    """What comes of a damage: same, line, silent, unexpected or hang; the last three with details."""

    def late(*_: object) -> None:
        raise TimeoutError

    with copy_of(case.school) as copy:
        damage(copy.state / path, random.Random(seed))
        signal.signal(signal.SIGALRM, late)
        signal.alarm(LIMIT_S)
        try:
            found = case.act(copy)
        except NightschoolError as error:
            return "line" if "\n" not in str(error) else f"unexpected: {error}"
        except TimeoutError:
            return "hang"
        except (Exception, Stopped) as error:
            return f"unexpected: {type(error).__name__}: {error}"
        finally:
            signal.alarm(0)
    return "same" if found == case.expected else "silent"


def cases(root: Path) -> Iterator[Case]:
    """Every stage of run 2 and every verb, each in a school that stands before it."""
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
        yield case_of(stage, before, act_of(stage))
        perform(school, 2, stage)
    yield case_of("classify", school, classified)
    for line in (
        "models", "models --json", "report", "report --json", "promote 1", "status", "log", "notes --json",
    ):  # fmt: skip
        yield case_of(line, school, verb(*line.split()))
    yield case_of("why", school, _why)


def _why(school: School) -> object:
    return json.loads(str(verb("why", "--json")(school)))["reason"]


def matrix(root: Path, share: float, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """(act, outcome) -> trials, for a share of all trials, at least 4 of each act; and what went wrong."""
    sys.addaudithook(_note_opened)
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    for case in cases(root):
        trials = [(path, name) for path in case.files for name in damages()]
        size = min(len(trials), max(4, round(share * len(trials))))
        for path, name in random.Random(f"{seed} {case.name}").sample(trials, size):
            found = outcome(case, path, damages()[name], f"{seed} {path} {name}")
            word = found.partition(":")[0]
            counts[case.name, word] += 1
            if word not in ("same", "line"):
                wrong.append(f"{case.name}, {path}, {name}: {found}")
                print(wrong[-1], file=sys.stderr, flush=True)
    return counts, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="corruption-") as folder:
        counts, _ = matrix(Path(folder), given.share, given.seed)
    words = ("same", "line", "silent", "unexpected", "hang")
    print(f"{'':<16}" + "".join(f"{word:>12}" for word in words))
    for name in dict.fromkeys(name for name, _ in counts):
        print(f"{name:<16}" + "".join(f"{counts[name, word]:>12}" for word in words))
    print(
        f"{'all':<16}"
        + "".join(f"{sum(n for (_, w), n in counts.items() if w == word):>12}" for word in words)
    )


if __name__ == "__main__":
    main()
