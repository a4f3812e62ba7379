"""Seconds and memory to load a base in NF4 from its 16-bit files and from the school's cache.

    python benchmarks/load_base.py                  # random weights, 8 layers of a Qwen2.5-3B
    python benchmarks/load_base.py --layers 36      # all of them: needs 13 GB of disk
    python benchmarks/load_base.py --base FOLDER --device cuda

Each load runs in its own process, and the arms alternate. Before each, the files are dropped from the
file system's cache (`cold`; Linux only). The first load fills the school's cache. Prints one JSON line
per arm: `load_s` is the time of load_base, `process_s` that of the whole process with its imports, each
as median, minimum and maximum; `read_gb` is the size of the files that the arm reads, `peak_gb` the peak
memory of the process (mapped files included), `peak_gpu_gb` the peak of torch's GPU memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from train_step import CONFIG


def make_base(folder: Path, layers: int) -> None:
    """Write a Qwen2.5-3B with `layers` layers and random weights in float16."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    if (folder / "config.json").exists():
        return
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float16)
    Qwen2ForCausalLM(Qwen2Config(**{**CONFIG, "num_hidden_layers": layers})).save_pretrained(folder)


def load(base: Path, cache: Path | None, kind: str) -> dict[str, Any]:
    import torch

    from nightschool.config.settings import TrainSettings
    from nightschool.learning.base import load_base, memory_gb
    from nightschool.learning.device import pick

    device = pick(TrainSettings.model_validate({"device": kind}))
    if device.torch.type == "cuda":
        torch.zeros(1, device=device.torch)  # its context is the same for all arms
    said: list[str] = []
    began = time.perf_counter()
    load_base(base, device, "nf4", cache, lambda kind, message: said.append(message))
    if device.torch.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    return {
        "load_s": seconds,
        "device": device.label,
        "peak_gpu_gb": memory_gb(device),
        "said": said,
    }


def forget(folder: Path) -> bool:
    """Drop a folder's files from the file system's cache; False if the system cannot do that."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for file in folder.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)
    return True


def measure(base: Path, cache: Path | None, kind: str) -> dict[str, Any]:
    """Load in a new process; returns its result, time and memory, the latter if the system reports it."""
    cold = forget(base) and (cache is None or not cache.exists() or forget(cache))
    command = [sys.executable, __file__, "--here", "--base", str(base), "--device", kind]
    command += ["--cache", str(cache)] if cache else []
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert child.stdout
    out = child.stdout.read()
    peak = None
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
    if child.wait():
        raise SystemExit(f"{' '.join(command)} failed")
    seconds = time.perf_counter() - began
    return {**json.loads(out), "process_s": seconds, "peak_gb": peak, "cold": cold}


def told(arm: str, loads: list[dict[str, Any]], read: Path) -> dict[str, Any]:
    def middle(key: str) -> list[float]:
        values = [found[key] for found in loads]
        return [round(v, 2) for v in (statistics.median(values), min(values), max(values))]

    size = sum(file.stat().st_size for file in read.rglob("*.safetensors"))
    return {
        "arm": arm,
        "load_s": middle("load_s"),
        "process_s": middle("process_s"),
        "read_gb": round(size / 1e9, 3),
        "peak_gb": loads[0]["peak_gb"] and middle("peak_gb"),
        "peak_gpu_gb": loads[0]["peak_gpu_gb"] and middle("peak_gpu_gb"),
        "cold": loads[0]["cold"],
        "device": loads[0]["device"],
        "said": [line for found in loads for line in found["said"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--base", type=Path, help="a base's folder; without it, one is made")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("/tmp/nightschool-load"))
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(load(given.base, given.cache, given.device)))
        return
    base = given.base or given.work / f"base-{given.layers}"
    if given.make:
        make_base(base, given.layers)
        return
    # In its own process, because on Linux a child's peak memory begins with that of its parent.
    subprocess.run([sys.executable, __file__, "--make", *sys.argv[1:]], check=True)
    cache = given.work / "quantised" / base.name
    shutil.rmtree(cache, ignore_errors=True)
    arms: dict[str, list[dict[str, Any]]] = {"16-bit": [], "fill the cache": [], "cache": []}
    arms["fill the cache"].append(measure(base, cache, given.device))
    for _ in range(given.repeats):
        arms["16-bit"].append(measure(base, None, given.device))
        arms["cache"].append(measure(base, cache, given.device))
    for arm, loads in arms.items():
        print(json.dumps(told(arm, loads, cache if arm == "cache" else base)), flush=True)


if __name__ == "__main__":
    main()
