"""The service under a real systemd user manager, in its own namespaces and cgroup."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nightschool.config.paths import School
from nightschool.jobs.service.worker_command import WorkerCommand
from tests.conftest import new_school
from tests.jobs.service.fake_tools import AWKWARD

SYSTEMD = Path("/usr/lib/systemd/systemd")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or not SYSTEMD.exists() or not shutil.which("unshare"),
        reason="no systemd or no unshare here",
    ),
    pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="namespaces need root"),
]

# A manager ends all processes of its cgroup, so it gets an empty one.
_GROUP = """\
set -e
[ "$(stat --file-system --format %T /sys/fs/cgroup)" = cgroup2fs ] ||
  mount -t cgroup2 none /sys/fs/cgroup
group=/sys/fs/cgroup/nightschool-test-$$
mkdir $group
set +e
(echo $BASHPID >$group/cgroup.procs && exec unshare --mount --cgroup bash "$@")
code=$?
find $group -depth -type d -exec rmdir {} \\;
exit $code
"""

# systemd refuses to be a user manager unless the machine was booted with it, so we pretend that.
_MANAGER = """\
set -e
umount --lazy /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
grep -q '^0::/$' /proc/self/cgroup
mkdir -p /run/systemd
mount -t tmpfs none /run/systemd
mkdir /run/systemd/system
/usr/lib/systemd/systemd --user >"$HOME/manager.log" 2>&1 &
for wait in $(seq 100); do
  systemctl --user show --property=Version >/dev/null 2>&1 && break
  sleep 0.1
done
set +e
"$@"
code=$?
systemctl --user exit
wait
exit $code
"""

_STORY = """\
import json, os, signal, subprocess, sys, time

def nightschool(*words):
    command = [sys.executable, "-m", "nightschool", "--school", sys.argv[1], "service", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout

def shown():
    command = ["systemctl", "--user", "show", sys.argv[2]]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)

def until(**expected):
    deadline = time.monotonic() + 20
    while any(shown().get(name) != value for name, value in expected.items()):
        assert time.monotonic() < deadline, (expected, shown().get("SubState"))
        time.sleep(0.1)
    return shown()

nightschool("install", "--yes")
first = until(ActiveState="active")
with open(f"/proc/{first['MainPID']}/cmdline", "rb") as file:
    command = file.read().decode().split("\\0")[:-1]
deadline = time.monotonic() + 20
while not os.path.exists(sys.argv[1] + "/.nightschool/worker.json"):
    assert time.monotonic() < deadline, "it does not work"
    time.sleep(0.1)
status = json.loads(nightschool("status", "--json"))
os.kill(int(first["MainPID"]), signal.SIGKILL)
failed = until(SubState="auto-restart")
nightschool("install")
again = until(ActiveState="active")
nightschool("uninstall")
gone = until(ActiveState="inactive")
print(json.dumps({
    "first": first, "command": command, "status": status, "again": again, "gone": gone,
}))
"""


def test_systemd_runs_restarts_and_removes_the_worker(tmp_path: Path, home: Path) -> None:
    school = new_school(tmp_path / AWKWARD, each=0)
    name = WorkerCommand(School(school.root).root, Path()).name
    (tmp_path / "group.sh").write_text(_GROUP, encoding="utf-8")
    (tmp_path / "manager.sh").write_text(_MANAGER, encoding="utf-8")
    (tmp_path / "story.py").write_text(_STORY, encoding="utf-8")
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    done = subprocess.run(
        [
            "unshare", "--mount", "bash", str(tmp_path / "group.sh"), str(tmp_path / "manager.sh"),
            sys.executable, str(tmp_path / "story.py"), str(school.root), f"{name}.service",
        ],
        capture_output=True, text=True, timeout=120,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )  # fmt: skip
    if "denied" in done.stderr or "not permitted" in done.stderr:
        pytest.skip(f"namespaces cannot be used here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["command"] == WorkerCommand(school.root, Path(sys.executable)).command()
    assert told["status"][0]["running"] is True and told["status"][0]["stale"] == []
    first = told["first"]
    assert (first["UnitFileState"], first["Nice"], first["KillMode"]) == ("enabled", "10", "mixed")
    assert told["again"]["MainPID"] not in ("0", first["MainPID"])
    assert told["gone"]["LoadState"] == "not-found"
    assert not list(home.rglob(f"{name}*"))
