"""Seconds to draw a report's charts and write its page, and the size of the files.

    python benchmarks/report_page.py SCHOOL/.nightschool/runs/1/report/report.json ...

Each report is written in a process of its own, into a temporary folder, on one core where the system
can pin a process. One JSON line a report: `import_s` is matplotlib and jinja2, `write_s` all the rest
(`write_cpu_s` without what the machine does beside it), `html_kb` the page with everything in it,
`png_kb` the pictures beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(file: Path) -> dict[str, object]:
    """Write one report in this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    began = time.perf_counter()
    from nightschool.reports.report_file import read
    from nightschool.reports.writer import write

    imported, used = time.perf_counter(), time.process_time()
    report = read(file)
    with tempfile.TemporaryDirectory() as folder:
        page = write(report, Path(folder))
        done, used = time.perf_counter(), time.process_time() - used
        pictures = sum(picture.stat().st_size for picture in Path(folder).glob("*.png"))
        size = page.stat().st_size
    return {
        "report": str(file),
        "kinds": len(report.kinds),
        "import_s": round(imported - began, 2),
        "write_s": round(done - imported, 2),
        "write_cpu_s": round(used, 2),
        "html_kb": round(size / 1000),
        "png_kb": round(pictures / 1000),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reports", nargs="+", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(measure(asked.reports[0])))
        return
    for file in asked.reports:
        subprocess.run([sys.executable, __file__, "--here", str(file)], check=True)


if __name__ == "__main__":
    main()
