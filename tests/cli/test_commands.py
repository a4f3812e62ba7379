"""Every command as its user types it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import filelock
import pytest
from click.testing import CliRunner, Result

from nightschool.cli.main import _SUMMARIES, COMMANDS, _explained, cli
from nightschool.config.errors import LedgerDenied
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from tests.conftest import MakeSchool
from tests.jobs.nights import ALL_DAY


def nightschool(*arguments: str, school: School | None = None) -> subprocess.CompletedProcess[str]:
    where = ["--school", str(school.root)] if school else []
    return subprocess.run(
        [sys.executable, "-m", "nightschool", *where, *arguments],
        capture_output=True, text=True, encoding="utf-8", timeout=60,
    )  # fmt: skip


def invoke(school: School, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--school", str(school.root), *arguments])


@pytest.mark.parametrize(
    "arguments", [("--help",), ("status",), ("why",), ("log",), ("models",), ("notes",), ("plan",)]
)
def test_no_listing_imports_torch(make_school: MakeSchool, arguments: tuple[str, ...]) -> None:
    school = make_school()
    code = (
        "import sys\nfrom nightschool.cli.main import cli\n"
        "try: cli.main(sys.argv[1:], standalone_mode=False)\nexcept SystemExit: pass\n"
        "bad = {'torch', 'transformers', 'peft', 'sklearn', 'matplotlib'} & set(sys.modules)\n"
        "bad -= {'sklearn'} if 'notes' in sys.argv else set()\n"
        "sys.exit(f'imported {bad}' if bad else 0)"
    )
    where = ["--school", str(school.root)]
    done = subprocess.run(
        [sys.executable, "-c", code, *where, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_every_command_is_on_the_help_page_and_has_its_own() -> None:
    assert list(COMMANDS) == list(_SUMMARIES)
    page = CliRunner().invoke(cli, ["--help"]).output
    for name in COMMANDS:
        assert f"  {name} " in page
        assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_init_makes_a_school_that_loads(tmp_path: Path) -> None:
    notes = tmp_path / "ノート folder"
    notes.mkdir()
    done = nightschool("init", str(tmp_path / "s"), "--notes", str(notes), "--base", "demo")
    assert done.returncode == 0, done.stderr
    settings = load(tmp_path / "s/nightschool.toml")
    assert Path(settings.notes.folder) == notes
    assert settings.base == "demo"
    again = nightschool("init", str(tmp_path / "s"))
    assert again.returncode == 1 and "exists already" in again.stderr


def test_notes_inside_the_school_are_kept_as_a_relative_path(tmp_path: Path) -> None:
    (tmp_path / "s/mine").mkdir(parents=True)
    nightschool("init", str(tmp_path / "s"), "--notes", str(tmp_path / "s/mine"))
    assert load(tmp_path / "s/nightschool.toml").notes.folder == "mine"


def test_status_keeps_its_contract(make_school: MakeSchool) -> None:
    school = make_school()
    queued = nightschool("run", school=school)
    assert queued.returncode == 0 and "no worker is running" in queued.stdout
    status = json.loads(nightschool("status", "--json", school=school).stdout)
    plan = status.pop("plan")
    assert (plan["run"], plan["done"], plan["nights"]) == (1, None, None)
    assert datetime.fromisoformat(plan["starts"]).tzinfo and plan["text"].startswith("starts")
    assert status == {
        "runs": [
            {
                "id": 1, "state": "queued", "stage": "prep", "step": 0, "total_steps": 0,
                "eta_s": None, "reason": "",
            }
        ],
        "decision": {"run": False, "reason": "no_worker"},
        "night": None,
        "notes": {"on": False, "looked": None, "news": None, "problem": ""},
    }  # fmt: skip


def test_pause_and_resume_are_seen_in_status_and_why(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--now", "--detach")
    assert "until" in invoke(school, "pause", "--for", "2h").output
    status = json.loads(invoke(school, "status", "--json").output)
    assert status["runs"][0]["state"] == "paused"
    assert json.loads(invoke(school, "why", "--json").output)["reason"] == "paused"
    assert "resumed" in invoke(school, "resume").output
    why = json.loads(invoke(school, "why", "--json").output)
    status = json.loads(invoke(school, "status", "--json").output)
    assert why["reason"] == status["decision"]["reason"] == "no_worker"


@pytest.mark.parametrize("runs", [0, 1])
def test_status_tells_the_pause_and_the_worker_whether_there_are_runs_or_not(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    school = make_school()
    for _ in range(runs):
        invoke(school, "run")
    invoke(school, "pause")
    told = invoke(school, "status").output
    assert "paused until `nightschool resume`\nno worker is running" in told
    monkeypatch.setattr("nightschool.jobs.forecast.worker_alive", lambda school: 7)
    told = invoke(school, "status").output
    assert "paused until `nightschool resume`\na worker is running (process 7)\n" in told


def test_status_tells_that_the_disk_is_full(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_school()
    assert "disk" not in invoke(school, "status").output
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    assert "the disk is full: this is as it was" in invoke(school, "status").output


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(30, "Read-only file system", "/s/work.lock"),
         "/s/work.lock cannot be written: Read-only file system"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(5, "Input/output error"),
         "unexpected OSError: [Errno 5] Input/output error (--debug shows where)"),
    ],
)  # fmt: skip
def test_a_disk_that_takes_nothing_is_told_in_one_line(error: OSError, line: str) -> None:
    assert _explained(error) == (1, line)


def test_a_file_of_somebody_else_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock, away = tmp_path / "work.lock", tmp_path / "logs"
    lock.touch()
    error = PermissionError(13, "Permission denied", str(away))
    line = "Permission denied; it seems to belong to somebody else: work as its owner, or make it yours"
    assert _explained(error) == (2, f"{away} cannot be written: {line}")
    error = PermissionError(13, "Permission denied", str(lock))
    assert _explained(error) == (2, f"{lock} cannot be written: {line}")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert _explained(error) == (2, f"{lock} cannot be read: {line}")
    setattr(error, "winerror", 32)  # noqa: B010  # a file that another program has open
    assert _explained(error)[0] == 1
    assert _explained(LedgerDenied("ledger.db cannot be written")) == (
        2, "ledger.db cannot be written",
    )  # fmt: skip


def test_a_cancelled_run_is_retried(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run")
    assert "cancelled" in invoke(school, "cancel", "1").output
    with Ledger(school.ledger_file) as ledger:
        assert ledger.run(1).state == "cancelled"
    assert "queued again" in invoke(school, "retry", "1").output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("status",), 2, "no nightschool.toml in"),
        (("--school", "nowhere", "status"), 2, "no school in"),
        (("init", "--notes", "nowhere"), 2, "there is nothing at nowhere"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_without_a_school_it_says_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = nightschool(*arguments)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("retry", "9"), 2, "there is no run 9"),
        (("cancel", "9"), 2, "there is no run 9"),
        (("promote", "9"), 2, "there is no run 9"),
        (("rollback",), 2, "nothing to roll back"),
        (("report",), 1, "no run has a report yet"),
        (("pause", "--for", "soon"), 2, "is no duration"),
        (("classify", "a note"), 1, "no model is in use yet"),
        (("classify", ""), 2, "the text is empty"),
        (("classify", "missing.md"), 2, "there is no file missing.md"),
        (("run", "--within", "45m"), 2, "--within needs --quick"),
        (("run", "--quick", "--within", "soon"), 2, "is no duration"),
        (("run", "--quick", "--within", "0m"), 2, "no run fits into no time"),
        (("run", "--seeds", "0"), 2, "0 is not in the range 1<=x<=20"),
        (("run", "--seeds", "many"), 2, "'many' is not a valid integer"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    make_school: MakeSchool, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = nightschool(*arguments, school=make_school())
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_typo_in_the_settings_is_named_with_its_line(make_school: MakeSchool) -> None:
    school = make_school()
    text = school.settings_file.read_text("utf-8") + "\n[trian]\nepochs = 1\n"
    school.settings_file.write_text(text, encoding="utf-8")
    done = nightschool("run", school=school)
    line = len(text.splitlines()) - 1
    assert done.returncode == 2
    assert f"line {line}: unknown setting `trian`: did you mean `train`?" in done.stderr
    with Ledger(school.ledger_file) as ledger:
        assert ledger.runs() == []


def test_notes_are_counted(make_school: MakeSchool) -> None:
    school = make_school()
    (school.root / "notes/lesson/bad.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    counts = json.loads(invoke(school, "notes", "--json").output)
    assert {kind: count["n"] for kind, count in counts["kinds"].items()} == {
        "decision": 12, "lesson": 12, "none": 12,
    }  # fmt: skip
    assert counts["skipped"] == {"binary file": 1}
    assert counts["lengths"]["unit"] == "tokens"
    assert counts["suspects"]["judged"] == 36


def test_the_inventory_is_shown_in_a_terminal_and_as_a_page(make_school: MakeSchool) -> None:
    school = make_school()
    (school.root / "notes/value").mkdir()
    (school.root / "notes/value/[bold]x.md").write_text("[red]buy milk", encoding="utf-8")
    (school.root / "notes/value/y.md").write_text("[red]BUY  milk", encoding="utf-8")
    shown = nightschool("notes", school=school)
    assert shown.returncode == 0 and shown.stderr == ""
    for line in (
        "38 notes, 0 without a kind; lengths in tokens",
        "hardly measurable: decision (12), lesson (12), none (12), value (2).",
        "the same text: value/[bold]x.md, value/y.md",
        "wrong labels: too few notes of different texts and sources to judge: value",
    ):
        assert line in shown.stdout
    page = nightschool("notes", "--html", school=school)
    assert Path(page.stdout.strip()) == school.state / "inventory.html"
    assert "38 notes" in (school.state / "inventory.html").read_text("utf-8")
    both = json.loads(nightschool("notes", "--html", "--json", school=school).stdout)
    assert both["page"] == str(school.state / "inventory.html")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.csv",
            "text,label\none,a\ntwo, too,a\n",
            "a.csv, line 3: 3 fields, but the header has 2",
        ),
        ("a.jsonl", '{"text": "x"}\n', 'a.jsonl: no column "label" (there are: text)'),
        (
            "Lesson/a.md",
            "x",
            'the kinds "Lesson" (Lesson/a.md) and "lesson" (lesson/lesson-0.md) differ in case or width',
        ),
    ],
)
def test_what_is_wrong_with_the_notes_is_one_line(
    make_school: MakeSchool, name: str, content: str, said: str
) -> None:
    school = make_school()
    file = school.root / "notes" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content, encoding="utf-8")
    done = nightschool("notes", school=school)
    assert done.returncode == 1
    assert said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX closes the stream")
@pytest.mark.parametrize(
    ("arguments", "closed", "code", "said"),
    [
        (("label",), "<&-", 2, "standard input is no terminal"),
        (("classify", "-"), "<&-", 2, "standard input: the note is empty"),
        (("notes",), "2>&-", 0, "36 notes"),
        (("notes",), "<&- >&- 2>&-", 0, ""),
    ],
)
def test_a_stream_that_is_closed_is_an_empty_one(
    make_school: MakeSchool, arguments: tuple[str, ...], closed: str, code: int, said: str
) -> None:
    school = make_school()
    command = [sys.executable, "-m", "nightschool", "--school", str(school.root), *arguments]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        capture_output=True, text=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_doctor_checks_everything(make_school: MakeSchool) -> None:
    done = nightschool("doctor", "--json", school=make_school())
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert {
        "python", "versions", "text", "disk", "ledger", "queue", "notes", "torch", "device",
        "precision", "base",
    } <= set(findings)  # fmt: skip
    problems = [finding for finding in findings.values() if finding["verdict"] == "problem"]
    assert done.returncode == bool(problems)
    assert findings["base"]["verdict"] == "ok"
    assert all(f["remedy"] for f in findings.values() if f["verdict"] != "ok")


def test_doctor_says_what_is_wrong(make_school: MakeSchool) -> None:
    school = make_school(base="./nowhere", queue="redis://127.0.0.1:1/0", notes={"folder": "gone"})
    done = nightschool("doctor", "--json", school=school)
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    for check in ("base", "queue", "notes"):
        assert findings[check]["verdict"] == "problem" and findings[check]["remedy"]


def test_what_a_dead_worker_was_at_is_shown_as_queued(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--now", "--detach")
    with Ledger(school.ledger_file) as ledger:
        claim = ledger.claim(1, "a worker that died")
        assert claim is not None
        ledger.progress(claim, 3, 9, 0.5, 60.0)
    status = json.loads(invoke(school, "status", "--json").output)
    assert (status["runs"][0]["state"], status["runs"][0]["eta_s"]) == ("queued", None)
    assert status["decision"] == {"run": False, "reason": "no_worker"}


def minutes(school: School) -> list[float]:
    with Ledger(school.ledger_file) as ledger:
        return [run.settings["train"]["quick_minutes"] for run in ledger.runs()]


def test_a_quick_run_carries_its_time(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--quick", "--detach")
    invoke(school, "run", "--quick", "--within", "1h30m", "--new", "--detach")
    invoke(school, "run", "--new", "--detach")
    assert minutes(school) == [45.0, 90.0, 0.0]


def test_an_unfinished_run_keeps_its_time(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--quick", "--detach")
    again = invoke(school, "run", "--detach").output
    assert "goes on" in again and "yours have changed" not in again
    other = invoke(school, "run", "--quick", "--within", "10m", "--detach").output
    assert "keeps its own time too" in other and "yours have changed" not in other
    assert minutes(school) == [45.0]


def seeds(school: School) -> list[int]:
    with Ledger(school.ledger_file) as ledger:
        return [run.settings["train"]["seeds"] for run in ledger.runs()]


def test_a_run_of_several_seeds_says_what_they_cost(make_school: MakeSchool) -> None:
    school = make_school()
    said = invoke(school, "run", "--seeds", "3", "--detach").output
    assert "3 seeds: 3 trainings and measurements" in said and "3 times as long" in said
    again = invoke(school, "run", "--detach").output
    assert "goes on" in again and "yours have changed" not in again
    other = invoke(school, "run", "--seeds", "2", "--detach").output
    assert "keeps its own seeds too (3): `run --seeds 2 --new`" in other
    quick = invoke(school, "run", "--seeds", "2", "--quick", "--new", "--detach").output
    assert "they share the time" in quick
    assert (seeds(school), minutes(school)) == ([3, 2], [0.0, 45.0])


def test_the_plan_is_printed_before_any_run(make_school: MakeSchool) -> None:
    school = make_school()
    plan = json.loads(invoke(school, "plan", "--json").output)
    assert plan["notes"]["train"] + plan["notes"]["validation"] < plan["notes"]["read"] == 36
    assert {"device", "precision"} <= {choice["name"] for choice in plan["chosen"]}
    memory = plan["memory"]
    assert {"weights", "adapter", "activations", "logits"} <= set(memory["items"])
    assert memory["total"] == sum(memory["items"].values()) > 0 and not memory["limited"]
    assert plan["time"] is None
    shown = invoke(school, "plan").output
    for said in ("precision = fp32 (", "36 read", "weights", "not measured yet"):
        assert said in shown
    assert not school.split_assignments_file.exists()  # planning deals no note for good


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"base": "nobody/no-such-model"}, "is not on disk: `nightschool prep` fetches it once"),
        ({"notes": {"folder": "gone"}}, "gone"),
        ({"train": {"device": "cuda"}}, 'train.device = "cuda"'),
        ({"train": {"max_tokens": 5000}}, "set it to"),
    ],
)
def test_what_cannot_be_planned_is_one_line(
    make_school: MakeSchool, tables: dict[str, object], message: str
) -> None:
    done = nightschool("plan", school=make_school(**tables))
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("time", ["0s", "99999999d", "9" * 5000 + "d"])
def test_a_pause_of_no_length_or_without_an_end_in_sight_is_refused(
    make_school: MakeSchool, time: str
) -> None:
    school = make_school()
    done = invoke(school, "pause", "--for", time)
    assert done.exit_code, done.output
    with Ledger(school.ledger_file) as ledger:
        assert not ledger.control().paused


def test_to_ask_again_does_not_put_off_what_works_now(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--now", "--detach")
    timings = []
    for again in ([], ["--tonight"]):
        invoke(school, "run", *again)
        with Ledger(school.ledger_file) as ledger:
            timings.append(ledger.run(1).timing)
    assert timings == ["now", "tonight"]


def test_a_run_that_is_queued_while_all_is_paused_says_so(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "pause")
    assert "run 1 waits: paused until `nightschool resume`" in invoke(school, "run").output


def test_status_says_what_the_clock_says_now(make_school: MakeSchool) -> None:
    opens, closes = (f"{datetime.now(UTC) + timedelta(hours=h):%H:%M}" for h in (11, 12))
    school = make_school(night={"start": opens, "end": closes, "timezone": "UTC"})
    invoke(school, "run")
    with filelock.FileLock(school.work_lock), Ledger(school.ledger_file) as ledger:
        ledger.decide(1, False, "outside_window", "what the settings said before")
        told = invoke(school, "status").output
    assert re.search(rf"a worker is running .*the next window opens .*{opens}", told)
    assert "before" not in told


def test_status_says_since_when_a_signal_speaks_against_work(make_school: MakeSchool) -> None:
    school = make_school(night=ALL_DAY)
    invoke(school, "run")
    with filelock.FileLock(school.work_lock), Ledger(school.ledger_file) as ledger:
        ledger.decide(1, False, "owner_active", "the owner is there: idle for 3 s of 10 m")
        told = invoke(school, "status").output
    assert re.search(r"idle for 3 s of 10 m \(since .*\d\d:\d\d\)", told)
