"""`trust`, and commands in a school from elsewhere."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from nightschool.cli.main import VERBS
from nightschool.config.paths import School
from nightschool.config.trusted_schools import is_trusted
from tests.cli.conftest import invoke

READING = {"status", "why", "log", "report", "models"}
OTHERS = {"init", "demo", "service", "trust", *READING}
ARGUMENTS = {"classify": ["text"], "cancel": ["1"], "retry": ["1"], "promote": ["1"], "run": ["--now"],
             "forget": ["a.md"]}  # fmt: skip


@pytest.fixture
def listener() -> socket.socket:
    """A server that must not be contacted."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.01)
    return server


@pytest.fixture
def foreign(tmp_path: Path, listener: socket.socket) -> School:
    """A school that nobody has accepted here."""
    port = listener.getsockname()[1]
    school = School(tmp_path / "unpacked")
    school.root.mkdir()
    school.settings_file.write_text(
        f'base = "demo"\nqueue = "redis://127.0.0.1:{port}/0"\n[notes]\nfolder = "/etc"\n'
        f'[server]\nurl = "http://127.0.0.1:{port}/v1"\nmodel = "m"\napi_key_env = "HOME"\n',
        encoding="utf-8",
    )
    return school


@pytest.mark.parametrize("verb", sorted(set(VERBS) - OTHERS))
def test_no_command_contacts_or_reads_anything_for_a_school_from_elsewhere(
    foreign: School, listener: socket.socket, verb: str
) -> None:
    done = invoke(foreign, verb, *ARGUMENTS.get(verb, []))
    assert done.exit_code == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    for part in ("reads the notes in /etc (notes.folder)", "variable HOME", "(queue)", "trust`"):
        assert part in line
    with pytest.raises(TimeoutError):
        listener.accept()
    assert not foreign.state.exists()


@pytest.mark.parametrize("verb", ["status", "models", "why"])
def test_ledger_of_a_school_from_elsewhere_can_be_read(
    foreign: School, listener: socket.socket, verb: str
) -> None:
    done = invoke(foreign, verb, "--json")
    assert done.exit_code == 0
    json.loads(done.stdout)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_trust_shows_what_the_school_reaches_and_accepts_it(foreign: School) -> None:
    done = invoke(foreign, "trust")
    assert done.exit_code == 2 and not is_trusted(foreign)
    assert "reads the notes in /etc (notes.folder)" in done.stderr
    assert invoke(foreign, "trust", "--yes").exit_code == 0
    assert is_trusted(foreign)
    assert "trusted already" in invoke(foreign, "trust").stdout


def test_school_made_here_is_trusted(tmp_path: Path) -> None:
    school = School(tmp_path / "mine")
    assert invoke(school, "init").exit_code == 1 or school.settings_file.exists()
    assert is_trusted(school)
