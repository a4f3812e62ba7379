"""The group of commands: help, errors in one line, exit codes, and what each command imports."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nightschool.cli.main import VERBS, _explained, cli
from nightschool.config.errors import LedgerDenied
from nightschool.config.files import NOT_YOURS
from nightschool.ledger.ledger import Ledger
from tests.cli.conftest import invoke, nightschool
from tests.conftest import MakeSchool

HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "sklearn", "matplotlib"}


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found
    return found


def test_the_help_page_lists_every_command_in_order() -> None:
    page = CliRunner().invoke(cli, ["--help"]).output
    listed = [line.split()[0] for line in page[page.index("Commands:") :].splitlines()[1:]]
    assert listed == list(VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_the_help_page_shows_the_first_line_of_each_commands_own_help(name: str) -> None:
    assert (command(name).help or "").split("\n")[0] == VERBS[name].summary
    assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize("name", VERBS)
def test_every_option_has_a_help_text(name: str) -> None:
    pending = [command(name)]
    while pending:
        current = pending.pop()
        pending += current.commands.values() if isinstance(current, click.Group) else []
        options = [p for p in current.params if isinstance(p, click.Option)]
        assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("status",), ("why",), ("log",), ("models",), ("notes",), ("plan",), ("report",)],
)
def test_no_listing_imports_a_library_for_models_or_charts(
    make_school: MakeSchool, arguments: tuple[str, ...]
) -> None:
    code = (
        "import sys\nfrom nightschool.cli.main import cli\n"
        "try: cli.main(sys.argv[1:], standalone_mode=False)\nexcept (SystemExit, Exception): pass\n"
        f"heavy = {HEAVY} & set(sys.modules)\n"
        "heavy -= {'sklearn'} if 'notes' in sys.argv else set()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    where = ["--school", str(make_school().root)]
    done = subprocess.run(
        [sys.executable, "-c", code, *where, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


SLOW = HEAVY | {"rich", "huey", "apscheduler", "scipy", "numpy", "jinja2", "wakepy", "tokenizers"}
"""What would delay a command that answers from the ledger and the settings alone."""

IMPORTS = {
    "classify": {"numpy"},
    "plan": {"numpy"},
    "doctor": {"huey", "numpy", "scipy"},
    "stage_verbs": {"rich", "huey", "apscheduler", "numpy", "scipy"},
}
"""Of SLOW, what a command's module imports; nothing for the others."""


@pytest.mark.parametrize("module", sorted({verb.module for verb in VERBS.values()}))
def test_a_commands_module_imports_no_slow_library_that_it_can_do_without(module: str) -> None:
    code = f"import sys, nightschool.cli.{module}\nprint(*({SLOW} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= IMPORTS.get(module, set())


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(30, "Read-only file system", "/s/work.lock"),
         "/s/work.lock cannot be written: Read-only file system"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(5, "Input/output error"),
         "Input/output error"),
    ],
)  # fmt: skip
def test_an_unwritable_disk_is_explained_in_one_line(error: OSError, line: str) -> None:
    assert _explained(error) == (1, line)


def test_a_file_of_another_user_is_explained_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock, away = tmp_path / "work.lock", tmp_path / "logs"
    lock.touch()
    error = PermissionError(13, "Permission denied", str(away))
    line = f"Permission denied; {NOT_YOURS}"
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


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("status",), 2, "nightschool: there is no nightschool.toml in"),
        (
            ("--school", "nowhere", "status"),
            2,
            "is not a school: create one with `nightschool init nowhere`",
        ),
        (("init", "--notes", "nowhere"), 2, "Error: nowhere does not exist"),
        (("frobnicate",), 2, "Error: No such command"),
        (("frobnicate",), 2, "Try 'nightschool --help' for help"),
    ],
)
def test_without_a_school_the_error_says_what_to_do(
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
        (("log", "9"), 2, "there is no run 9"),
        (("report", "9"), 2, "there is no run 9"),
        (("rollback",), 2, "nothing to roll back"),
        (("report",), 1, "no run has a report yet: `nightschool status` shows the progress"),
        (("pause", "--for", "soon"), 2, "is not a duration"),
        (("pause", "--for", "0s"), 2, "--for 0s has no length"),
        (("classify", "a note"), 1, "no model is in use yet: train one"),
        (("classify", ""), 2, "the text is empty"),
        (("classify", "missing.md"), 2, "missing.md does not exist"),
        (("run", "--within", "45m"), 2, "--within needs --quick"),
        (("run", "--quick", "--within", "soon"), 2, "is not a duration"),
        (("run", "--quick", "--within", "0m"), 2, "--within 0m is too short"),
        (("run", "--seeds", "0"), 2, "0 is not in the range 1<=x<=20"),
        (("run", "--seeds", "many"), 2, "'many' is not a valid integer"),
        (("status", "--yaml"), 2, "No such option"),
    ],
)
def test_an_impossible_request_is_explained_in_one_line(
    make_school: MakeSchool, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = invoke(make_school(), *arguments)
    assert (done.exit_code, message in done.stderr.splitlines()[-1]) == (code, True), done.stderr
    assert "Traceback" not in done.output


def test_an_error_in_the_program_itself_shows_its_traceback_with_debug(
    make_school: MakeSchool,
) -> None:
    school = make_school()
    school.ledger_file.mkdir(parents=True)
    arguments = ["--school", str(school.root), "cancel", "1"]
    assert nightschool(*arguments).stderr.count("\n") == 1
    assert "Traceback" in nightschool("--debug", *arguments).stderr


def test_a_typo_in_the_settings_is_reported_with_its_line(make_school: MakeSchool) -> None:
    school = make_school()
    text = school.settings_file.read_text("utf-8") + "\n[trian]\nepochs = 1\n"
    school.settings_file.write_text(text, encoding="utf-8")
    done = nightschool("run", school=school)
    line = len(text.splitlines()) - 1
    assert done.returncode == 2
    assert f"line {line}: unknown setting `trian`: did you mean `train`?" in done.stderr
    with Ledger(school.ledger_file) as ledger:
        assert ledger.runs() == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell to close the stream")
@pytest.mark.parametrize(
    ("arguments", "closed", "code", "printed"),
    [
        (("label",), "<&-", 2, "standard input is not a terminal"),
        (("classify", "-"), "<&-", 2, "standard input is empty"),
        (("notes",), "2>&-", 0, "36 notes"),
        (("notes",), "<&- >&- 2>&-", 0, ""),
    ],
)
def test_a_closed_stream_counts_as_an_empty_one(
    make_school: MakeSchool, arguments: tuple[str, ...], closed: str, code: int, printed: str
) -> None:
    school = make_school()
    command = [sys.executable, "-m", "nightschool", "--school", str(school.root), *arguments]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command],
        capture_output=True, text=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert done.returncode == code
    assert printed in done.stdout + done.stderr


def test_standard_input_is_read_up_to_the_limit_of_a_note(make_school: MakeSchool) -> None:
    school = make_school(notes={"max_bytes": 1000})
    done = invoke(school, "classify", "-", keys="a" * 1001)
    assert done.exit_code == 2 and "larger than notes.max_bytes = 1,000" in done.stderr
    assert "no model is in use" in invoke(school, "classify", "-", keys="a" * 1000).stderr


def test_classify_warns_of_bytes_that_it_may_have_misread(
    make_school: MakeSchool, tmp_path: Path
) -> None:
    school = make_school()
    (tmp_path / "a.md").write_bytes(b"\xa35 owed")
    (tmp_path / "b.md").write_bytes("Déjà payé hier ".encode() + b"\xff")
    printed = invoke(school, "classify", str(tmp_path / "a.md"), str(tmp_path / "b.md")).stderr
    assert "a.md: the encoding may not be cp1252" in printed
    assert "b.md, line 1, column 16 (byte offset 18): not valid UTF-8" in printed


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_a_reader_that_closes_the_pipe_causes_no_error(make_school: MakeSchool) -> None:
    school = make_school()
    command = [sys.executable, "-m", "nightschool", "--school", str(school.root), "why", "--json"]
    done = subprocess.run(
        ["sh", "-c", '"$@" | true', "sh", *command], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open: "),
        (
            ImportError("a.so: failed to map segment from shared object"),
            "there is not enough memory: ",
        ),
        (RuntimeError("can't start new thread"), "there is not enough memory: "),
        (OSError(errno.EIO, "Input/output error", "file"), "file: Input/output error"),
    ],
)
def test_an_error_of_the_system_is_explained(error: Exception, line: str) -> None:
    code, explained = _explained(error)
    assert code == 1 and explained.startswith(line)
