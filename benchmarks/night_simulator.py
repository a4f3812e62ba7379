"""A year of nights in virtual time: what the policy and the scheduler do with them.

    python benchmarks/night_simulator.py [--days 365] [--seeds 1]

Needs neither a GPU nor a model; 80 to 300 s for each year. The real policy, scheduler and ledger live
through a script: an owner who works by day, three weeks in ninety at night, and looks at the screen
now and then; plugs that are pulled, sleeps of 12 hours, hot rooms, idle and power detectors that flip
every few seconds, another school on the same GPU, clocks that are set wrong by a day either way. A
judge that knows only the script counts what must not happen. Prints a Markdown table; the seeds are fixed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from nightschool.config.night_settings import NightSettings
from tools.simulated_nights.script import HOUR
from tools.simulated_nights.simulation import simulate

ZONES = ("Europe/Berlin", "Asia/Tokyo")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    most = NightSettings().starts_per_hour
    heads = [
        "zone",
        "seed",
        "windows",
        "allowed_h",
        "used",
        "starts",
        "most/h",
        "violations",
        "ticks",
        "s",
    ]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for zone in ZONES:
        for seed in range(given.seeds):
            began = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                seen = simulate(Path(folder), zone, datetime(2026, 1, 1, 12), given.days, seed)
            took = time.perf_counter() - began
            wrong = ", ".join(f"{n:g} {what}" for what, n in seen.violations(most).items()) or "0"
            print(
                f"| {zone} | {seed} | {seen.nights} | {seen.allowed_s / HOUR:.0f} | {seen.share:.2%} | "
                f"{seen.starts} | {seen.most_starts_an_hour} | {wrong} | {seen.ticks} | {took:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
