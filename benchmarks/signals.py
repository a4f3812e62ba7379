"""The cost of reading all signals: the time of a reading, and the processor time at one per second.

    python benchmarks/signals.py [--seconds 60]

Needs nothing but this computer; run it at a desktop, too. One JSON line: milliseconds of the first
reading, median, 99th percentile and maximum of the later ones, processor time in per cent of one
core at one reading a second, and memory in MB.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import psutil

from nightschool.jobs.signals.sensors import Sensors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    seconds = parser.parse_args().seconds
    sensors = Sensors(Path.cwd(), ["blender", "steam"], lambda: {os.getpid()})
    begun = time.perf_counter()
    sensors.read()
    first_ms = 1000 * (time.perf_counter() - begun)
    used, took = time.process_time(), []
    for _ in range(seconds):
        time.sleep(1)
        begun = time.perf_counter()
        sensors.read()
        took.append(1000 * (time.perf_counter() - begun))
    print(
        json.dumps(
            {
                "first_ms": round(first_ms, 1),
                "median_ms": round(statistics.median(took), 2),
                "p99_ms": round(statistics.quantiles(took, n=100)[98], 2),
                "max_ms": round(max(took), 2),
                "cpu_percent": round(100 * (time.process_time() - used) / seconds, 2),
                "rss_mb": round(psutil.Process().memory_info().rss / 1e6),
                "processes": len(psutil.pids()),
            }
        )
    )


if __name__ == "__main__":
    main()
