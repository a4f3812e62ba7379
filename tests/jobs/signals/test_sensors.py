"""All signals of this computer together, whatever a source does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nightschool.jobs.signals import sensors as sensors_module
from nightschool.jobs.signals import signal_table as command
from nightschool.jobs.signals.sensors import Sensors
from nightschool.jobs.signals.signal import Signal, Signals
from tests.jobs.signals.peers import LOGIND, LOGIND_NAME


def own() -> Collection[int]:
    return {os.getpid()}


def all_of(signals: Signals) -> dict[str, Signal[Any]]:
    return {field.name: getattr(signals, field.name) for field in fields(signals)}


def test_every_signal_of_this_computer_has_a_value_or_a_remark(tmp_path: Path) -> None:
    sensors = Sensors(tmp_path, ["no such program"], own, lambda: Signal(False, "test"))
    for name, signal in all_of(sensors.read()).items():
        assert signal.source, name
        assert signal.value is not None or signal.remark, name
        assert "\n" not in signal.remark


def test_second_reading_has_ages(tmp_path: Path) -> None:
    sensors = Sensors(tmp_path, [], own)
    first, second = sensors.read(), sensors.read()
    assert second.disk_free.value == first.disk_free.value
    assert second.disk_free.age_s > first.disk_free.age_s


def test_failing_sources_never_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise ValueError("broken")

    for name in ("disk_free", "running"):
        monkeypatch.setattr(sensors_module, name, broken)
    signals = Sensors(tmp_path, ["x"], broken, broken).read()
    for signal in (signals.disk_free, signals.programs, signals.cpu_load, signals.suspending):
        assert (signal.value, signal.remark) == (None, "ValueError: broken")
    assert Sensors(tmp_path, [], own).read().suspending.remark == "only a worker watches for it"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="D-Bus is Linux's")
def test_silent_desktop_is_read_once(
    tmp_path: Path, address: str, new_peer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nightschool.jobs.desktop import dbus
    from nightschool.jobs.signals import linux_presenting
    from nightschool.jobs.signals.linux_idle import MUTTER

    monkeypatch.setattr(dbus, "LIMIT_S", 0.1)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    peer = new_peer(MUTTER.bus_name, linux_presenting.GNOME.bus_name, LOGIND_NAME)
    asked = {
        ("/org/gnome/Mutter/IdleMonitor/Core", "GetIdletime"),
        ("/org/gnome/SessionManager", "IsInhibited"),
        (LOGIND, "ListSessions"),
    }
    peer.answers = dict.fromkeys(asked)
    sensors = Sensors(tmp_path, [], own)
    for _ in range(3):
        sensors.read()
    assert sorted(peer.asked) == ["GetIdletime", "IsInhibited", "ListSessions", "ListSessions"]


def test_command_prints_every_signal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    signals = Sensors(tmp_path, [], own).read()
    from rich.console import Console

    Console(width=200).print(command.table(signals))
    printed = capsys.readouterr().out
    for field in fields(Signals):
        assert field.name in printed


def test_signals_import_no_torch() -> None:
    code = (
        "import os, pathlib, sys\n"
        "from nightschool.jobs.signals.sensors import Sensors\n"
        "Sensors(pathlib.Path(), ['x'], lambda: {os.getpid()}).read()\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
