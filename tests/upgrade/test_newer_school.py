"""A school that a newer version wrote: every command says so in one line, and changes nothing."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from nightschool.cli.main import VERBS
from nightschool.config.paths import School
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from nightschool.ledger.schema import MIGRATIONS
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool

ARGUMENTS = {
    "label": ["--json"], "notes": ["--json"], "classify": ["a note"], "cancel": ["1"], "retry": ["1"],
    "promote": ["1"], "run": ["--now"], "service": ["status"],
}  # fmt: skip
# `init` and `demo` make schools of their own; `trust` only reads the settings.
NOT_ON_A_SCHOOL = {"init", "demo", "trust"}


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def newer(make_school: MakeSchool) -> School:
    school = make_school()
    with Ledger(school.ledger_file) as ledger:
        ledger.cancel(ledger.add_run({}, StageName.COMPARE, Timing.TONIGHT).id)
    with sqlite3.connect(school.ledger_file) as db:
        db.execute("ALTER TABLE runs ADD COLUMN mood TEXT NOT NULL DEFAULT ''")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    return school


def test_every_command_says_so_and_changes_nothing(newer: School) -> None:
    before = content(newer.root)
    for verb in VERBS.keys() - NOT_ON_A_SCHOOL:
        done = invoke(newer, verb, *ARGUMENTS.get(verb, []))
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1), f"{verb}: {done.output}"
        assert "a newer nightschool wrote" in done.stderr and "update nightschool" in done.stderr
        assert content(newer.root) == before, verb


def test_a_setting_of_a_newer_version_is_named_and_nothing_changes(newer: School) -> None:
    newer.ledger_file.unlink()
    shutil.rmtree(newer.state / "runs")
    with newer.settings_file.open("a", encoding="utf-8") as stream:
        stream.write("\n[xyzzy]\nphase = 0.5\n")
    before = content(newer.root)
    for verb in VERBS.keys() - NOT_ON_A_SCHOOL - {"log", "models", "report", "cancel", "promote"}:
        if verb in ("rollback", "resume", "repair", "service", "classify"):
            continue  # they need no settings, or no school
        done = invoke(newer, verb, *ARGUMENTS.get(verb, []))
        assert done.exit_code == 2 and done.stderr.count("\n") == 1, f"{verb}: {done.output}"
        assert "unknown setting `xyzzy`" in done.stderr and "update nightschool" in done.stderr
        assert content(newer.root) == before, verb
