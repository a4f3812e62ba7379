"""A whole run, a report and a classification connect to nothing; the kernel traces every process."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import MakeSchool
from tests.jobs.kill_matrix import children, queue, state, until, worker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("strace"), reason="no strace here"),
]
FAST = {"epochs": 1.0, "lora_r": 4, "max_tokens": 64}


def test_a_run_and_a_classification_connect_to_nothing(
    make_school: MakeSchool, tiny_base: Path, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    traced = [
        "strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,listen",
        "-A", "-o", str(trace), sys.executable, "-m", "nightschool",
    ]  # fmt: skip
    if subprocess.run([*traced, "--version"], capture_output=True).returncode:
        pytest.skip("processes cannot be traced here")
    school = make_school(base=tiny_base.as_posix(), train=FAST)
    here = ["--school", str(school.root)]
    run = queue(school)
    with worker(school, [*traced, *here, "work"]) as process:
        try:
            until(lambda: state(school, run) in ("done", "failed"), 300)
        finally:
            for traced_worker in children(process):  # else they would outlive strace
                traced_worker.terminate()
            process.wait(60)
    assert state(school, run) == "done"
    for verb in (["report"], ["status"], ["doctor"], ["classify", "--run", str(run), "Buy bread."]):
        done = subprocess.run([*traced, *here, *verb], capture_output=True, text=True, timeout=120)
        assert done.returncode in (0, 1), done.stderr
    called = trace.read_text("utf-8", "replace").splitlines()
    reached = [
        line for line in called
        if "AF_INET" in line or re.search(r"\blisten\(", line)
    ]  # fmt: skip
    assert any("AF_UNIX" in line for line in called), "nothing was traced"
    assert not reached, reached[:5]
