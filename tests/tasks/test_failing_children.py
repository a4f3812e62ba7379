"""Real child processes that fail: what may pass is tried again after a delay, what stays ends the run."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from nightschool.config import files
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template
from nightschool.jobs.history import read_history
from nightschool.jobs.policy import decide
from nightschool.learning.trainer import adapter_sha256
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import STAGES, RunState, StageName, Timing
from nightschool.tasks.runner import Runner
from tests.cli.conftest import invoke
from tests.conftest import new_school
from tests.forked_child import forked_children
from tests.jobs.nights import night, signals

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="fork")]

TRAIN = {
    "epochs": 1.0, "lora_r": 4, "max_tokens": 64, "effective_batch": 8, "checkpoint_minutes": 0.0,
}  # fmt: skip
FAILS_AT = 3


def launch_failure() -> None:
    raise RuntimeError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA")


def illegal_access() -> None:
    import torch

    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def no_memory() -> None:
    raise MemoryError


def no_device_memory() -> None:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def broken_pipe_to_disk() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO), "/mnt/notes")


def bug() -> None:
    raise KeyError("layer 3")


def ended_by(number: int) -> None:
    os.kill(os.getpid(), number)


def exits() -> None:
    os._exit(3)


def struck(faults: list[Callable[[], object]], marks: Path) -> None:
    """In a child: the n-th one fails with the n-th fault at a step, or when it reads a checkpoint."""
    from nightschool.learning import trainer

    number = len(list(marks.iterdir()))
    if number >= len(faults):
        return
    (marks / str(number)).touch()
    fault, take_step, sha256 = faults[number], trainer.take_step, files.sha256

    def failing_step(engine: object, task: object, step: int, *given: object) -> object:
        if step == FAILS_AT:
            fault()
        return take_step(engine, task, step, *given)  # type: ignore[arg-type]

    def failing_read(file: Path) -> str:
        if "checkpoints" in file.parts:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))
        return sha256(file)

    if fault is unreadable_checkpoint:
        files.sha256 = failing_read
    else:
        trainer.take_step = failing_step  # type: ignore[assignment]


def unreadable_checkpoint() -> None: ...


@pytest.fixture(scope="module")
def before_training(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A school whose run is about to train."""
    school = new_school(
        tmp_path_factory.mktemp("failing") / "school", base=tiny_base.as_posix(), train=TRAIN,
        ladder={"arms": ["tfidf-lr"]},
    )  # fmt: skip
    with Ledger(school.ledger_file) as ledger:
        ledger.add_run(load(school.settings_file).model_dump(), STAGES[-1], Timing.NOW)
        ledger.decide(1, True, Reason.RUN_NOW)
    with forked_children():
        for stage in (StageName.PREP, StageName.BASELINE):
            assert Runner(school, "worker").perform(1, stage)
    return school.root


@pytest.fixture
def school(before_training: Path) -> Iterator[School]:
    """A copy, always in the same place, because the adapter's config holds paths."""
    root = before_training.with_name("at work")
    shutil.copytree(before_training, root)
    yield School(root)
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def undisturbed(before_training: Path) -> str:
    root = before_training.with_name("undisturbed")
    shutil.copytree(before_training, root)
    assert work(School(root)) == []
    return adapter_sha256(School(root).model_folder(1) / "adapter")


def work(school: School, until: StageName = StageName.TRAIN) -> list[str]:
    """Work as the policy decides, with a clock that jumps over its delays, until a stage or the run has ended.

    Returns why it waited, each time.
    """
    now, waits = 0.0, list[str]()
    while True:
        now = max(now, time.time())
        with Ledger(school.ledger_file) as ledger:
            run, stage = ledger.run(1), ledger.due_stage(1)
            if stage is None or STAGES.index(stage) > STAGES.index(until):
                return waits
            decision = decide(
                run, ledger.control(), signals(), night(quiet_minutes=0.0), now,
                read_history(ledger, now),
            )  # fmt: skip
            ledger.decide(1, decision.run, decision.reason, decision.detail)
        if decision.run:
            Runner(school, "worker").perform(1, stage)
            continue
        assert decision.reason is Reason.AFTER_ERROR and decision.next_check
        assert decision.next_check - time.time() > 50 * 3 ** len(waits)
        waits.append(decision.detail)
        now = decision.next_check


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([launch_failure] * 2, "the device failed (CUDA error: unspecified launch failure)"),
        ([illegal_access] * 2, "the device failed (CUDA error: an illegal memory access"),
        ([no_memory] * 2, "out of memory"),
        ([broken_pipe_to_disk] * 2, "/mnt/notes: Input/output error"),
        ([bug] * 2, "unexpected KeyError: 'layer 3'"),
        ([partial(ended_by, signal.SIGKILL)] * 2, "its process was killed"),
        ([partial(ended_by, signal.SIGBUS)] * 2, "its process was ended by SIGBUS"),
        ([exits] * 2, "its process ended with code 3"),
        ([partial(ended_by, signal.SIGKILL), unreadable_checkpoint], "cannot be read: Input/output error"),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again_and_changes_no_bit(
    school: School, undisturbed: str, tmp_path: Path, faults: list[Callable[[], object]], words: str
) -> None:
    with forked_children(partial(struck, faults, tmp_path)):
        waits = work(school)
    assert len(waits) == 2 and words in waits[-1]
    with Ledger(school.ledger_file) as ledger:
        assert ledger.run(1).open and ledger.stage(1, StageName.TRAIN).state == "done"
    assert adapter_sha256(school.model_folder(1) / "adapter") == undisturbed
    assert words in " ".join(invoke(school, "log", "--all").output.split("\n"))
    assert not list(school.root.rglob("*.tmp"))


def test_a_device_that_runs_out_of_memory_gets_smaller_batches(
    school: School, tmp_path: Path
) -> None:
    with forked_children(partial(struck, [no_device_memory], tmp_path)):
        work(school)
    with Ledger(school.ledger_file) as ledger:
        assert ledger.stage(1, StageName.TRAIN).state == "done"


def test_notes_of_one_kind_end_the_run_at_once(school: School, tiny_base: Path) -> None:
    for kind in ("lesson", "none"):
        shutil.rmtree(school.root / "notes" / kind)
    line = ended(school, StageName.PREP, base=tiny_base.as_posix())
    assert line.startswith('there is only one kind, "decision"')


def test_a_prompt_that_does_not_fit_ends_the_run_at_once(school: School, tiny_base: Path) -> None:
    train, base = {**TRAIN, "max_tokens": 500}, tiny_base.as_posix()
    line = ended(school, StageName.BASELINE, base=base, train=train)
    assert line.startswith(
        "train.max_tokens = 500 and the prompt do not fit into the base's context of 512"
    )


def test_a_base_that_has_changed_ends_the_run_at_once(school: School, tiny_base: Path) -> None:
    base = shutil.copytree(tiny_base, school.root / "base")
    change = lambda: (base / "config.json").unlink()  # noqa: E731
    line = ended(school, StageName.BASELINE, change, base=base.as_posix())
    assert line.startswith(f"{base}")


def write_settings(school: School, **changes: object) -> None:
    tables = {"preset": "cpu-demo", "train": TRAIN, "ladder": {"arms": ["tfidf-lr"]}, **changes}
    school.settings_file.write_text(template(tables), "utf-8")


def ended(
    school: School, stage: StageName, before: Callable[[], object] = lambda: None, **changes: object
) -> str:
    """Why a fresh run with these settings ends in its first attempt at a stage."""
    write_settings(school, **changes)
    settings = load(school.settings_file).model_dump()
    with Ledger(school.ledger_file) as ledger:
        ledger.cancel(1)
        run = ledger.add_run(settings, STAGES[-1], Timing.NOW).id
        ledger.decide(run, True, Reason.RUN_NOW)
    runner = Runner(school, "worker")
    with forked_children():
        for each in STAGES[: STAGES.index(stage)]:
            assert runner.perform(run, each)
        before()
        runner.perform(run, stage)
    with Ledger(school.ledger_file) as ledger:
        assert ledger.run(run).state is RunState.FAILED
        assert ledger.attempts_of(run)[-1].outcome is Outcome.FAILED
        return ledger.run(run).reason
