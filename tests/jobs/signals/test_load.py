"""CPU load, free disk space and running programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from nightschool.jobs.signals import load as load_module
from nightschool.jobs.signals.load import CpuLoad, disk_free, running
from nightschool.jobs.signals.signal import Signal


class Machine:
    """A computer with `cores` cores, whose clock the test advances."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cores: int = 4) -> None:
        self.cores, self.now, self.user, self.idle, self.guest = cores, 100.0, 10.0, 50.0, 0.0
        self.processes: dict[int, float] = {}
        monkeypatch.setattr(psutil, "cpu_times", self.cpu_times)
        monkeypatch.setattr(psutil, "Process", self.process)
        monkeypatch.setattr(load_module, "uptime_s", lambda: self.now)
        monkeypatch.setattr(time, "sleep", lambda seconds: self.run(seconds))

    def cpu_times(self) -> SimpleNamespace:
        return SimpleNamespace(
            user=self.user, system=0.0, idle=self.idle, iowait=0.0, guest=self.guest
        )

    def process(self, pid: int) -> SimpleNamespace:
        if pid not in self.processes:
            raise psutil.NoSuchProcess(pid)
        times = SimpleNamespace(user=self.processes[pid], system=0.0)
        return SimpleNamespace(cpu_times=lambda: times)

    def run(self, seconds: float, others: float = 0.0, **own: float) -> None:
        """Advance the clock, with busy cores for others and for each of our processes (p1=...)."""
        self.now += seconds
        busy = others + sum(own.values())
        self.user += busy * seconds
        self.idle += (self.cores - busy) * seconds
        for name, cores in own.items():
            pid = int(name[1:])
            self.processes[pid] = self.processes.get(pid, 0.0) + cores * seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_only_load_of_others_counts(machine: Machine) -> None:
    machine.processes[1] = 500.0
    cpu = CpuLoad(lambda: {1})
    assert cpu.read().value == 0
    machine.run(4, others=1, p1=3)
    assert cpu.read().value == pytest.approx(25, abs=2)


def test_new_and_ended_children_are_our_own(machine: Machine) -> None:
    cpu = CpuLoad(lambda: {1, 2})
    cpu.read()
    machine.run(5, p2=4)
    assert cpu.read().value == pytest.approx(0, abs=0.01)
    machine.processes.clear()
    machine.run(5, others=2)
    assert cpu.read().value == pytest.approx(25, abs=1)


def test_load_covers_the_last_ten_seconds(machine: Machine) -> None:
    cpu = CpuLoad(lambda: {1})
    cpu.read()
    for _ in range(20):
        machine.run(1, others=4)
        reading = cpu.read()
    assert reading.value == pytest.approx(100)
    assert reading.source == "psutil, over 10 s"
    for _ in range(12):
        machine.run(1)
        reading = cpu.read()
    assert reading.value == pytest.approx(0)


def test_old_samples_do_not_count(machine: Machine) -> None:
    cpu = CpuLoad(lambda: {1})
    cpu.read()
    machine.run(2 * 3600, others=4)
    assert cpu.read().value == pytest.approx(0)


def test_stuck_counters_are_unknown(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    assert CpuLoad(lambda: set()).read().value is None


def test_load_of_this_computer_is_a_share() -> None:
    reading = CpuLoad(lambda: {os.getpid()}).read()
    assert reading.value is not None
    assert 0 <= reading.value <= 100


def test_free_space_of_the_school(tmp_path: Path) -> None:
    reading = disk_free(tmp_path)
    assert reading.value is not None
    assert reading.value == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.5)
    gone = disk_free(tmp_path / "vanished")
    assert gone.value is None
    assert gone.remark.startswith("FileNotFoundError: ")


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A program with a unique name."""
    name = "nightgame" + Path(sys.executable).suffix
    program = tmp_path / name
    try:
        program.symlink_to(shutil.which("sleep") or "")
        started = subprocess.Popen([program, "60"])
    except OSError:
        pytest.skip("no program to run under another name")
    yield name, started.pid
    started.kill()
    started.wait()


def test_exclusive_program_is_reported_while_it_runs(sleeper: tuple[str, int]) -> None:
    names = ("NightGame.exe", "some other game")
    assert running(names, set()) == Signal(("NightGame.exe",), "psutil")
    assert running(names, {sleeper[1]}).value == ()


def test_no_search_without_exclusive_programs() -> None:
    assert running((), set()) == Signal((), "night.exclusive is empty")
