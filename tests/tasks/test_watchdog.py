"""What the watchdog finds: a child that is silent for too long, or exceeds the limits of its phase."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nightschool.config.settings import Settings
from nightschool.learning.phases import START, WORK, Phase
from nightschool.ledger.outcomes import Outcome
from nightschool.stages.child_jobs import ProbeJob
from nightschool.tasks import watchdog as module
from nightschool.tasks.channel import Alive, ChildMessage, Ended, PhaseBegan, Progress
from nightschool.tasks.process import Child, supervise
from nightschool.tasks.watchdog import Watchdog

LIMITED = Phase(name="the base's chat template", silent_s=60, processor_s=0.3, memory=200_000_000)


class Clock:
    """A monotonic clock that a test sets."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def pass_by(self, watchdog: Watchdog, seconds: float) -> list[Ended]:
        """Let time pass while the watchdog looks twice a second; what it finds."""
        found = []
        for _ in range(int(2 * seconds)):
            self.now += 0.5
            found.append(watchdog.finding())
        return [ending for ending in found if ending]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_silent_child_is_a_loss(clock: Clock) -> None:
    watchdog = Watchdog(1)
    assert clock.pass_by(watchdog, START.silent_s - 1) == []
    ending = clock.pass_by(watchdog, 2)[0]
    assert ending.outcome is Outcome.LOST
    assert "no sign of life for 15 min (starting)" in ending.reason


@pytest.mark.parametrize("message", [Alive(), Progress(step=1, total=2)])
def test_every_message_is_a_sign_of_life(message: ChildMessage, clock: Clock) -> None:
    watchdog = Watchdog(1)
    assert watchdog.heard(message) is isinstance(message, Alive)
    for _ in range(3):
        assert clock.pass_by(watchdog, WORK.silent_s - 1) == []
        watchdog.heard(message)


def test_sleep_of_the_computer_is_no_silence(clock: Clock) -> None:
    watchdog = Watchdog(1)
    clock.now += 12 * 3600
    assert watchdog.finding() is None


def test_child_that_has_ended_has_a_minute_to_exit(clock: Clock) -> None:
    watchdog = Watchdog(1)
    watchdog.heard(Ended(outcome=Outcome.FINISHED))
    assert clock.pass_by(watchdog, 59) == [] and not watchdog.lingers
    assert clock.pass_by(watchdog, 2) == [] and watchdog.lingers


@pytest.mark.parametrize(
    ("body", "much"),
    [
        ("while True: pass", "0 s of computing"),
        ("x = b'x' * 700_000_000; input()", "0.2 GB of memory"),
    ],
)
def test_child_that_exceeds_its_phase_is_killed_and_the_base_is_refused(
    body: str, much: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one call that nothing in the child could interrupt."""
    announcement = json.dumps(PhaseBegan(phase=LIMITED).model_dump())
    code = f"print({announcement!r}, flush=True); import time; time.sleep(0.3)\n{body}"
    real = subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return real([sys.executable, "-c", f"input()\n{code}\ntime.sleep(60)"], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)
    child = Child(ProbeJob(root=tmp_path, settings=Settings()), tmp_path / "log")
    messages: list[ChildMessage] = []
    began = time.monotonic()
    assert supervise(child, messages.append, lambda: False, every_s=0.05) != 0
    assert time.monotonic() - began < 30
    [ending] = messages
    assert isinstance(ending, Ended) and ending.outcome is Outcome.FAILED
    assert ending.reason == (
        f"the base's chat template takes more than {much} and was ended: "
        "set another base, then `run --new`"
    )
