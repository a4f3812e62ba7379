"""Whatever a name, a note, an error or the ledger holds: a terminal gets no escape sequence of others."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from nightschool.cli import classify, label
from nightschool.cli.main import VERBS, main
from nightschool.config.errors import ChildError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import EventKind, StageName, Timing
from nightschool.stages.child_jobs import ClassifiedNote
from nightschool.stages.publish import ModelCard, card_file
from nightschool.stats.stage_results import write_record
from nightschool.tasks import health_checks
from tests.conftest import new_school
from tests.reports.conftest import EXAMPLE

HOSTILE = "a\x1b]0;title\x07b\x1b[35mc\x1b[2Jd\x9b35me\rf\bg\u202eh\u2066i\x7fj"
FILE_NAME = HOSTILE if os.name == "posix" else "a\u202eb"
# What the program itself writes: colours, and a progress bar's moves.
OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[hl]|1A|2K)|\r(?=\x1b\[(?:1A|2K))")
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> School:
    """A school in which everything that can have a name or a message has a hostile one."""
    folder = tmp_path_factory.mktemp("terminal")
    kinds = {kind: {"meaning": HOSTILE} for kind in (HOSTILE, "idea")}
    school = new_school(folder / FILE_NAME, base=f"./{HOSTILE}", kinds=kinds)
    notes = school.root / "notes"
    for place in (notes / FILE_NAME, notes / "idea"):
        place.mkdir()
        for number in range(4):
            (place / f"{number} {FILE_NAME}.md").write_text(f"{HOSTILE} the same {number}", "utf-8")
    (notes / f"{FILE_NAME}.md").write_bytes(b"\0\1\2")
    settings = load(school.settings_file).model_dump()
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run(settings, StageName.COMPARE, Timing.NOW).id
        for kind in EventKind:
            ledger.event(run, None, kind, HOSTILE)
        claim = ledger.claim(run, HOSTILE)
        assert claim
        ledger.fail(claim, HOSTILE)
        waiting = ledger.add_run(settings, StageName.COMPARE, Timing.NOW).id
        ledger.event(waiting, None, EventKind.WARNING, HOSTILE)
        ledger.promote(run)
    card = ModelCard(
        run=run, base=HOSTILE, base_fingerprint="b", kinds=(HOSTILE, "idea"), prompt="p",
        settings=settings,
    )  # fmt: skip
    write_record(card_file(school, run), card)
    report = EXAMPLE.read_text("utf-8").replace('"lesson"', json.dumps(HOSTILE))
    report = report.replace("qwen", json.dumps(HOSTILE)[1:-1])
    page = school.run_folder(run) / "report"
    page.mkdir(parents=True)
    (page / "report.json").write_text(report, "utf-8")
    (page / "report.html").write_text("<html>", "utf-8")
    return school


@pytest.fixture(autouse=True)
def _hostile_children(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise ChildError(HOSTILE, HOSTILE)

    def answer(*_: object, **__: object) -> list[ClassifiedNote]:
        fields: dict[str, Any] = {"source": HOSTILE, "kind": HOSTILE, "likeliest": HOSTILE}
        return [ClassifiedNote(**fields, probability=0.5, probabilities={HOSTILE: 0.5}, unseen=0)]

    monkeypatch.setattr(classify, "ask_to_classify", answer)
    monkeypatch.setattr(health_checks, "ask_to_probe", fail)
    monkeypatch.setattr("nightschool.tasks.child_queries.ask_to_plan", fail)
    monkeypatch.setattr(label, "_at_a_terminal", lambda: True)
    monkeypatch.setattr(click, "getchar", iter("v1us1xq").__next__)
    yield


Called = Callable[..., tuple[int, str]]


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Called:
    """Calls the program as the shell does; returns its exit code and its output."""

    def run(*arguments: str) -> tuple[int, str]:
        printed = io.StringIO()
        monkeypatch.setattr(printed, "isatty", lambda: request.param)
        monkeypatch.setenv("TERM", "xterm-256color")
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, printed)
        monkeypatch.setattr(sys, "argv", ["nightschool", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), printed.getvalue()

    return run


def foreign(output: str) -> list[str]:
    """The control characters in an output that the program did not write itself."""
    return RAW.findall(OWN.sub("", output)) + re.findall(r"\x1b\[35m", output)


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",), ("why",), ("log", "1"), ("log", "2"), ("notes",), ("label",), ("plan",),
        ("doctor",), ("report",), ("models",), ("clean",), ("clean", "--dry-run"), ("forget",), ("repair",),
        ("forget", "--gone"), ("forget", FILE_NAME), ("trust",),
        ("classify", HOSTILE), ("classify", f"{FILE_NAME}.md"), ("classify", "--run", "7", "x"),
        ("promote", HOSTILE), ("cancel", HOSTILE), ("retry", "1"), ("pause", "--for", HOSTILE),
        ("init", "--notes", HOSTILE), ("run", f"--{HOSTILE}"), ("run", "--now", HOSTILE), (HOSTILE,),
        (f"--{HOSTILE}",), ("--debug", "plan"),
    ],
)  # fmt: skip
def test_no_escape_sequence_of_others_reaches_the_output(
    school: School, call: Called, arguments: tuple[str, ...]
) -> None:
    _, output = call("--school", str(school.root), *arguments)
    assert output and "nightschool: unexpected" not in output
    assert foreign(output) == []


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_repeats_an_unknown_option_as_it_is(
    school: School, call: Called, verb: str
) -> None:
    code, output = call("--school", str(school.root), verb, f"--{HOSTILE}")
    assert code == 2 and foreign(output) == []


def test_the_first_look_at_a_folder_shows_its_names_without_them(
    tmp_path: Path, call: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in (FILE_NAME, "idea"):
        for number in range(12):
            note = tmp_path / "notes" / kind / f"{number} {FILE_NAME}.md"
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(f"---\ntags: [{json.dumps(HOSTILE)}]\n---\n{HOSTILE} {number}", "utf-8")
    for arguments in (("init", f"{FILE_NAME} school", "--notes", "notes"), ("init", "notes")):
        _, output = call(*arguments)
        assert output and "nightschool: unexpected" not in output and foreign(output) == []


def test_every_listing_as_json_keeps_the_text_and_escapes_what_a_terminal_obeys(
    school: School, call: Called
) -> None:
    listed = {}
    for verb in ("status", "why", "log", "notes", "label", "report", "models", "clean", "forget"):
        _, output = call("--school", str(school.root), verb, "--json")
        listed[verb] = [json.loads(line) for line in output.splitlines() if line[:1] in "[{"]
        assert foreign(output) == [] and "\ufffd" not in output, verb
    assert listed["log"][-1]["message"] == listed["models"][0][0]["base"] == HOSTILE


def test_a_school_elsewhere_and_broken_settings_are_printed_without_them(
    tmp_path: Path, call: Called
) -> None:
    assert foreign(call("--school", HOSTILE, "status")[1]) == []
    settings = tmp_path / "nightschool.toml"
    for text in (
        f"preset = {json.dumps(HOSTILE)}\n",
        f"[{json.dumps(HOSTILE)}]\nx = 1\n",
        f'base = "{HOSTILE}"\n',
        f"[server]\nurl = {json.dumps('http://' + HOSTILE)}\n",
        f"queue = {json.dumps('redis://' + HOSTILE)}\n",
    ):
        settings.write_text(text, "utf-8")
        code, output = call("--school", str(tmp_path), "status")
        assert (code, foreign(output)) == (2, []), output
