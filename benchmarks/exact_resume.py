"""Whether an interrupted training ends with the same bits as an uninterrupted one, on a CUDA GPU.

    python benchmarks/exact_resume.py

Needs a CUDA GPU and no network. Some layers of a Qwen2.5-3B shape with random weights are trained for
a few epochs in one process, then again in three: one is stopped between two steps, one is killed between
two checkpoints, and one finishes. Prints one JSON line per configuration: the sha256 of both adapters, and
whether the adapters and all losses are equal.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from train_step import PROMPT, examples, make_base

LAYERS, NOTES, VALIDATION = 6, 64, 16
WAYS: dict[str, dict[str, Any]] = {
    "bf16, paged 8-bit AdamW": {},
    "bf16, 8-bit AdamW, layers recomputed, small passes": {
        "optimizer": "adamw_8bit", "activation_checkpointing": "all", "token_budget": 1500,
    },
    "fp16 with scaler, AdamW": {"precision": "fp16", "optimizer": "adamw"},
    "fp16 as on Turing, paged 8-bit AdamW": {"precision": "fp16", "_kernel": "memory-efficient"},
}  # fmt: skip


class StepCounter:
    """Counts steps, and kills this process after `kill_after` of them (0: never)."""

    def __init__(self, kill_after: int) -> None:
        self.steps, self._kill_after = 0, kill_after

    def progress(self, step: int, total: int, loss: float | None, eta_s: float | None) -> None:
        self.steps += 1
        if self.steps == self._kill_after:
            os.kill(os.getpid(), signal.SIGKILL if os.name != "nt" else signal.SIGTERM)

    def say(self, kind: str, message: str) -> None:
        print(f"{kind}: {message}", file=sys.stderr)


def chunk(base: Path, folder: Path, way: str, stop_after: int, kill_after: int) -> None:
    """Train one chunk in this process."""
    from dataclasses import replace

    from nightschool.config.settings import TrainSettings
    from nightschool.learning.base import load_base
    from nightschool.learning.device import memory_limit, pick
    from nightschool.learning.encoding import Encoded
    from nightschool.learning.fast.packed_engine import PackedEngine
    from nightschool.learning.memory_plan import MemoryNeed, Shape, choose, data_size_of
    from nightschool.learning.trainer import train
    from nightschool.learning.training_task import TaskIdentity, TrainingTask

    given = dict(WAYS[way])
    kernel = given.pop("_kernel", "")
    # A plan that does not depend on the memory that is free at the moment.
    fixed = {"epochs": 3.0, "checkpoint_minutes": 0.0, "memory_gb": 8.0}
    settings = TrainSettings.model_validate({**fixed, **given})
    if kill_after:
        settings = settings.model_copy(update={"checkpoint_minutes": 60.0})
    rows = [Encoded(prompt, answer, 0, False) for prompt, answer in examples(417)]
    task = TrainingTask(
        notes=rows[:NOTES], ids=[f"{n:04}" for n in range(NOTES)],
        sources=[str(n) for n in range(NOTES)], validation=rows[NOTES : NOTES + VALIDATION],
        prefix=rows[0].prompt[:PROMPT], suffix=[], padding=2, settings=settings,
        identity=TaskIdentity("d", "p", "b"),
    )  # fmt: skip
    device = pick(settings)
    if kernel:
        device = replace(device, precision=replace(device.precision, attention=kernel))
    load = data_size_of(task.notes, task.prefix, task.steps())
    need = MemoryNeed(Shape.read(base), settings, load, device.precision.compute.itemsize)
    plan, _ = choose(need, memory_limit(device, settings))
    counter = StepCounter(kill_after)
    model = load_base(base, device, "nf4", base.parent / "quantised")
    engine = PackedEngine.prepare(model, task, plan, device)
    ended = train(
        engine, task, folder, counter,
        lambda: bool(stop_after) and counter.steps >= stop_after,
    )  # fmt: skip
    (folder / "losses.json").write_text(json.dumps([ended.losses, ended.validation]), "utf-8")


def compare(work: Path, way: str) -> dict[str, Any]:
    """Train without and with interruptions; returns what is printed."""
    from nightschool.learning.trainer import adapter_sha256

    ends = []
    for name, chunks in (("whole", [(0, 0)]), ("parts", [(5, 0), (0, 4), (0, 0)])):
        folder = work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for stop_after, kill_after in chunks:
            command = [sys.executable, __file__, "--work", str(work), "--way", way]
            command += ["--chunk", str(folder), str(stop_after), str(kill_after)]
            done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
            killed = -signal.SIGKILL if os.name != "nt" else 15
            if done.returncode != (killed if kill_after else 0):
                return {"way": way, "error": done.stderr.strip().splitlines()[-3:]}
        losses = (folder / "losses.json").read_text("utf-8")
        ends.append((adapter_sha256(folder / "adapter"), losses))
    (one, losses), (other, again) = ends
    return {
        "way": way, "equal": one == other, "losses_equal": losses == again,
        "whole": one[:16], "parts": other[:16], "steps": len(json.loads(losses)[0]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--work", type=Path, default=Path("/tmp/nightschool-resume"))
    parser.add_argument("--way", action="append", choices=WAYS)
    parser.add_argument("--chunk", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    base = given.work / "base"
    if given.chunk:
        folder, stop_after, kill_after = given.chunk
        chunk(base, Path(folder), given.way[0], int(stop_after), int(kill_after))
        return
    make_base(base, LAYERS)
    for way in given.way or WAYS:
        print(json.dumps(compare(given.work, way)), flush=True)


if __name__ == "__main__":
    main()
