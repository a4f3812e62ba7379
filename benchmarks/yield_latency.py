"""How fast training yields: from a signal to the decision, and to a free GPU.

    python benchmarks/yield_latency.py --trials 100     # the included base model on a CPU, 15 minutes
    python benchmarks/yield_latency.py --trials 100 --schools 8 --device cuda
    python benchmarks/yield_latency.py --trials 5 --base /tmp/nightschool-benchmark/base3b --device cuda

Each of `--schools` schools has its own worker process, which reads its signals from a file. In a trial,
while training runs, the owner returns or the plug is pulled at a random moment. Measured are the seconds
until the ledger holds the decision, until a checkpoint is on disk, until the training process has ended
and, with a GPU, until NVML reports no more memory in use than before (with several schools: until it no
longer lists the process). Then all signals are clear again, and training resumes from its checkpoint:
the seconds until the next step are "again". Prints each trial to standard error, then one JSON line with
median, 99th percentile and maximum over all trials, and the number of trials without a checkpoint (a
step was too long, so the process was killed). `benchmarks/signals.py` measures the signals themselves.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

DEMO_NOTES = Path(__file__).parents[1] / "nightschool/demo/notes"
# Settings that allow a hundred interruptions in a row.
SETTINGS = """preset = "cpu-demo"
base = {base}
ladder.arms = ["majority"]
[night]
quiet_minutes = 0
starts_per_hour = 10000
max_cpu_load = 100
min_disk_gb = 0
[train]
device = "{device}"
epochs = 1000
patience = 0
max_tokens = 160
[night.days]
"""

INTERRUPTIONS: list[dict[str, object]] = [{"idle_s": 0.0}, {"on_ac": False}]
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def serve(root: Path) -> None:
    """Run a worker that reads its signals from the school's file."""
    from nightschool.config.paths import School
    from nightschool.config.settings_file import load
    from nightschool.jobs.signals.signal import Signal, Signals
    from nightschool.jobs.worker import work

    school = School(root)
    calm: dict[str, Any] = {
        "idle_s": 36_000.0, "on_ac": True, "battery": 100.0, "gpu_programs": (), "gpu_load": 0.0,
        "gpu_temperature": 40.0, "gpu_throttled": (), "cpu_load": 0.0, "disk_free": 1e12,
        "session": "local", "presenting": "", "lid_closed": False, "programs": (), "suspending": False,
    }  # fmt: skip
    assert set(calm) == {field.name for field in dataclasses.fields(Signals)}

    def read() -> Signals:
        values = json.loads((root / "owner.json").read_text("utf-8"))
        return Signals(**{name: Signal(value, "a file") for name, value in (calm | values).items()})

    work(school, load(school.settings_file), read_signals=read)


def write_signals(root: Path, **values: object) -> None:
    temporary = root / "owner.tmp"
    temporary.write_text(json.dumps(values), "utf-8")
    os.replace(temporary, root / "owner.json")


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> float:
    """Wait for something; returns how long that took, in seconds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise SystemExit("timed out waiting for an event")
        time.sleep(0.005)
    return time.monotonic() - began


def gpu_bytes() -> int:
    """GPU memory in use by all processes."""
    import pynvml

    return int(pynvml.nvmlDeviceGetMemoryInfo(gpu_handle()).used)


def gpu_processes() -> set[int]:
    """The processes that hold GPU memory, by NVML's ids, which differ from those of a container."""
    import pynvml

    return {process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(gpu_handle())}


def gpu_handle() -> Any:
    import pynvml

    # NVML ignores CUDA_VISIBLE_DEVICES.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0] or "0"
    if visible.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(visible))
    return pynvml.nvmlDeviceGetHandleByUUID(visible)


def trials(number: int, given: argparse.Namespace) -> list[dict[str, float]]:
    """The trials of one school."""
    import psutil

    from nightschool.config.paths import School
    from nightschool.config.settings_file import load
    from nightschool.jobs.requests import request_run
    from nightschool.ledger.ledger import Ledger
    from nightschool.ledger.records import StageName, Timing

    root = given.work / f"school-{number}"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(DEMO_NOTES, root / "notes")
    school = School(root)
    always = "".join(f'{day} = "00:00-24:00"\n' for day in WEEK)
    base = json.dumps(str(given.base) if given.base else "demo")
    school.settings_file.write_text(
        SETTINGS.format(base=base, device=given.device) + always, "utf-8"
    )
    write_signals(root)
    with Ledger(school.ledger_file) as ledger:
        run = request_run(ledger, school, load(school.settings_file), Timing.TONIGHT, new=True)[
            0
        ].id
    # The lock of the device is for one school; here each has a state, and so a lock, of its own.
    environment = os.environ | {"NIGHTSCHOOL_STATE": str(root / "locks")}
    command = [sys.executable, __file__, "--serve", str(root)]
    worker = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    dice, found = random.Random(number), []
    checkpoints = school.run_folder(run) / "checkpoints"
    empty = gpu_bytes() if given.device == "cuda" else 0
    try:
        with Ledger(school.ledger_file) as ledger:

            def step() -> int:
                return ledger.stage(run, StageName.TRAIN).step

            def offspring() -> list[psutil.Process]:
                children: list[psutil.Process]
                children = psutil.Process(worker.pid).children(recursive=True)
                return children

            wait_for(lambda: step() > 0, 300)
            for trial in range(given.trials // given.schools):
                before = step()
                again = wait_for(lambda before=before: step() > before)  # type: ignore[misc]
                time.sleep(dice.uniform(0.0, 2.0))
                holding = gpu_processes() if given.device == "cuda" else set()
                holding &= {process.pid for process in offspring()}
                began, clock = time.monotonic(), time.time()
                write_signals(root, **dice.choice(INTERRUPTIONS))
                line = {"decision": wait_for(lambda: not ledger.control().run_allowed)}
                wait_for(lambda: not offspring())
                line["gone"] = time.monotonic() - began
                written = (p.stat() for p in checkpoints.glob("step-*[0-9]"))
                newest = max((max(s.st_mtime, s.st_ctime) for s in written), default=0.0)
                if newest > clock:
                    line["checkpoint"] = newest - clock
                if given.device == "cuda" and given.schools == 1:
                    wait_for(lambda: gpu_bytes() - empty < 50e6)
                    line["free"] = time.monotonic() - began
                elif holding:
                    wait_for(lambda holding=holding: not holding & gpu_processes())  # type: ignore[misc]
                    line["free"] = time.monotonic() - began
                if trial:
                    line["again"] = again
                found.append(line)
                print(json.dumps(line), file=sys.stderr, flush=True)
                write_signals(root)
    finally:
        worker.terminate()
        worker.wait()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--schools", type=int, default=1, help="side by side")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--base", type=Path, help="a base's folder; else the shipped one")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir(), "nightschool-yield-latency")
    )
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return serve(given.serve)
    if given.device == "cuda":
        import pynvml

        pynvml.nvmlInit()
    with ThreadPoolExecutor(given.schools) as pool:
        every = list(pool.map(lambda number: trials(number, given), range(given.schools)))
    lines = [line for some in every for line in some]
    summary: dict[str, Any] = {"trials": len(lines)}
    for name in ("decision", "checkpoint", "gone", "free", "again"):
        if values := [line[name] for line in lines if name in line]:
            summary[name] = {"trials": len(values)} | spread(values)
    summary["no_checkpoint"] = sum("checkpoint" not in line for line in lines)
    print(json.dumps(summary))


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    last = ordered[min(len(ordered) - 1, math.ceil(0.99 * len(ordered)) - 1)]
    return {
        "p50_s": round(ordered[len(ordered) // 2], 2), "p99_s": round(last, 2),
        "max_s": round(ordered[-1], 2),
    }  # fmt: skip


if __name__ == "__main__":
    main()
