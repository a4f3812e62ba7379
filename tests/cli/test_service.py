"""`nightschool service` with a systemctl that records its calls."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
from click.testing import CliRunner, Result

from nightschool.cli.main import cli
from nightschool.config.paths import School
from tests.conftest import MakeSchool
from tests.jobs.service.fake_tools import FakeTools

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemctl is Linux'")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_CURRENT_DESKTOP", "DESKTOP_SESSION", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    return FakeTools(tmp_path / "tools", monkeypatch)


def service(school: School, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(
        cli, ["--school", str(school.root), "service", *arguments], input=answer
    )


def units(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "home/.config/systemd/user").glob("*.service"))


def test_the_file_is_shown_before_the_question(
    make_school: MakeSchool, tools: FakeTools, tmp_path: Path
) -> None:
    school = make_school()
    shown = service(school, "install", "--show")
    assert "[Service]" in shown.output and shown.output.startswith("# Written by")
    refused = service(school, "install", answer="n\n")
    assert shown.output.strip() in refused.output and "nothing was installed" in refused.output
    assert refused.output.index("[Service]") < refused.output.index("Install it?")
    assert units(tmp_path) == []
    done = service(school, "install", answer="y\n")
    assert done.exit_code == 0 and "installed: nightschool-my-" in done.output
    assert "journalctl --user -u nightschool-my-" in done.output
    assert "loginctl enable-linger" in done.output
    assert [unit.read_text("utf-8") for unit in units(tmp_path)] == [shown.output]


def test_installing_twice_changes_nothing_and_asks_nothing(
    make_school: MakeSchool, tools: FakeTools, tmp_path: Path
) -> None:
    school = make_school()
    service(school, "install", "--yes")
    [unit] = units(tmp_path)
    before = unit.stat().st_mtime_ns
    again = service(school, "install")
    assert "already installed, with the same file" in again.output
    assert "[Service]" not in again.output and unit.stat().st_mtime_ns == before
    unit.write_text(unit.read_text("utf-8").replace("Nice=10", "Nice=0"), encoding="utf-8")
    changed = service(school, "install", "--yes")
    assert "replacing the present one" in changed.output
    assert "installed again, because the file has changed" in changed.output
    assert "Nice=10" in unit.read_text("utf-8")


def test_status_shows_the_installed_services(make_school: MakeSchool, tools: FakeTools) -> None:
    school = make_school()
    assert "no service is installed for this school" in service(school, "status").output
    service(school, "install", "--yes")
    [row] = json.loads(service(school, "status", "--json").output)
    assert row["here"] and row["running"] is True and row["stale"] == []
    assert row["school"] == str(school.root) and row["python"] == sys.executable
    shown = service(school, "status").output
    assert f"{row['name']}: running (this school)" in shown and row["log"] in shown


def test_the_service_of_a_moved_school_is_stale_and_can_be_removed(
    make_school: MakeSchool, tools: FakeTools, tmp_path: Path
) -> None:
    school = make_school()
    service(school, "install", "--yes")
    [row] = json.loads(service(school, "status", "--json").output)
    moved = School(tmp_path / "moved")
    school.root.rename(moved.root)
    shown = service(moved, "status").output
    assert "no service is installed for this school" in shown
    assert "STALE" in shown and "is no longer a school" in shown
    assert f"`nightschool service uninstall {row['name']}`" in shown
    removed = service(moved, "uninstall", row["name"])
    assert removed.exit_code == 0 and units(tmp_path) == []
    assert "no service is installed for this school" in service(moved, "uninstall").output


def test_a_worker_that_outlives_its_service_is_reported(
    make_school: MakeSchool, tools: FakeTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An autostart file stops nothing."""
    tools.break_("systemctl", "Failed to connect to bus: No medium found")
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "XFCE")
    school = make_school()
    assert "it starts at your next login" in service(school, "install", "--yes").output
    assert "still running" not in service(school, "uninstall").output
    service(school, "install", "--yes")
    with filelock.FileLock(school.work_lock):
        (school.state / "worker.json").write_text('{"pid": 4711}')
        assert "a worker is still running (process 4711)" in service(school, "uninstall").output


def nightschool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nightschool", *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=60,
    )  # fmt: skip


def test_an_obstacle_is_explained_in_one_line(
    make_school: MakeSchool, tools: FakeTools, tmp_path: Path
) -> None:
    school = ["--school", str(make_school().root)]
    for arguments, code, said in (
        ([*school, "service", "uninstall", "nobody"], 2, "no service nobody is installed"),
        (["--school", str(tmp_path), "service", "install"], 2, "is not a school"),
        (["--school", str(tmp_path), "service", "status"], 2, "is not a school"),
    ):
        done = nightschool(*arguments)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr
    tools.break_("systemctl", "Failed to connect to bus: No medium found")
    done = nightschool(*school, "service", "install", "--yes")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "there is neither a systemd user session" in done.stderr
    (tmp_path / "home/.config").write_text("in the way")
    (tools.folder / "broken-systemctl").unlink()
    done = nightschool(*school, "service", "install", "--yes")
    assert done.returncode == 1 and "is not writable" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_worker_without_a_console_writes_a_log(make_school: MakeSchool, tmp_path: Path) -> None:
    """As a scheduled task runs it: nothing on the console, everything in the file."""
    school = make_school(queue="redis://127.0.0.1:1/0")
    log = tmp_path / "new" / "service.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "nightschool", "--school", str(school.root), "work", "--log", log],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    while process.poll() is None and "working in" not in (log.read_text() if log.exists() else ""):
        time.sleep(0.02)
    process.terminate()
    printed, _ = process.communicate(timeout=30)
    assert printed == b"" and f"working in {school.root}" in log.read_text("utf-8")
