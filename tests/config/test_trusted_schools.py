"""A school is bound to its owner and computer when it is made; one from elsewhere is not trusted."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.config import files
from nightschool.config.errors import LearningError, UnreadableFile
from nightschool.config.paths import School, state_folder
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load
from nightschool.config.trusted_schools import (
    check_base,
    is_trusted,
    reaches,
    trust,
    with_reach_of_file,
)
from tests.conftest import MakeSchool

HOSTILE = """
base = "evil/model"
queue = "redis://203.0.113.9:6379/0"
[notes]
folder = "/home/me/Documents\\u001b[2J"
[server]
url = "http://203.0.113.9/v1"
model = "m"
allow_remote = true
api_key_env = "AWS_SECRET_ACCESS_KEY"
"""


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_STATE", str(tmp_path / "state"))


def make(root: Path, text: str = 'base = "demo"\n') -> School:
    root.mkdir(parents=True, exist_ok=True)
    school = School(root)
    school.settings_file.write_text(text, encoding="utf-8")
    return school


def test_owners_school_stays_trusted_after_edits_and_a_move(tmp_path: Path) -> None:
    school = make(tmp_path / "mine")
    assert not is_trusted(school)
    trust(school)
    assert is_trusted(school)
    make(school.root, '[notes]\nfolder = "../vault"\n')
    assert is_trusted(school)
    moved = School(school.root.rename(tmp_path / "学校"))
    assert is_trusted(moved)


def test_each_notes_folder_outside_is_reached(tmp_path: Path) -> None:
    text = 'base = "demo"\n[notes]\nfolder = ["../vault", "notes", "/media/usb"]\n'
    school = make(tmp_path / "mine", text)
    found = [(each.setting, each.value) for each in reaches(school, load(school.settings_file))]
    assert found == [("notes.folder", "../vault"), ("notes.folder", "/media/usb")]


def test_record_lies_outside_the_school_and_is_private(tmp_path: Path) -> None:
    school = make(tmp_path / "mine")
    trust(school)
    [record] = (state_folder() / "schools").iterdir()
    assert not record.is_relative_to(school.root)
    if os.name != "nt":
        assert record.stat().st_mode & 0o777 == 0o600


def stranger(given: School, folder: Path) -> School:
    """A school of others: nothing in it names a school of this user."""
    return make(folder, HOSTILE)


def sent_back(given: School, folder: Path) -> School:
    """A copy of the user's own school, with its id, that somebody has changed."""
    shutil.copytree(given.root, folder)
    return make(folder, HOSTILE)


def with_a_guessed_id(given: School, folder: Path) -> School:
    school = make(folder, HOSTILE)
    school.state.mkdir()
    school.identity_file.write_text("*" * 32, encoding="ascii")
    return school


def with_a_linked_state(given: School, folder: Path) -> School:
    """Its `.nightschool` is a link to that of the user's own school."""
    school = make(folder, HOSTILE)
    try:
        school.state.symlink_to(given.state, target_is_directory=True)
    except OSError:
        pytest.skip("this system makes no symbolic links")
    return school


def with_records_inside(given: School, folder: Path) -> School:
    """It ships a state folder, as if that were the user's."""
    school = make(folder, HOSTILE)
    trust(school)
    shutil.move(str(state_folder()), school.root / "state")
    trust(given)
    return school


def in_place_of_the_owners(given: School, folder: Path) -> School:
    shutil.rmtree(given.root)
    return make(given.root, HOSTILE)


@pytest.mark.parametrize(
    "foreign",
    [stranger, sent_back, with_a_guessed_id, with_a_linked_state, with_records_inside,
     in_place_of_the_owners],
)  # fmt: skip
def test_school_of_others_is_not_trusted(
    tmp_path: Path, foreign: Callable[[School, Path], School]
) -> None:
    mine = make(tmp_path / "mine")
    trust(mine)
    assert not is_trusted(foreign(mine, tmp_path / "foreign"))


def test_everything_that_the_settings_reach_is_named_and_printable(tmp_path: Path) -> None:
    school = make(tmp_path / "foreign", HOSTILE)
    (school.root / "labels.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    found = {each.setting: each.text for each in reaches(school, load(school.settings_file))}
    assert set(found) == {
        "notes.folder", "labels.jsonl", "base", "server.url", "server.allow_remote", "server.api_key_env",
        "queue",
    }  # fmt: skip
    assert "another computer, http://203.0.113.9/v1" in found["server.url"]
    assert "AWS_SECRET_ACCESS_KEY" in found["server.api_key_env"]
    assert all(text.isprintable() for text in found.values())


def test_school_that_reaches_nothing_else_says_so(tmp_path: Path) -> None:
    school = make(tmp_path / "mine")
    (school.root / "notes").mkdir()
    assert reaches(school, load(school.settings_file)) == []
    (school.root / "notes").rmdir()
    (school.root / "notes").symlink_to(tmp_path, target_is_directory=True)
    [reach] = reaches(school, load(school.settings_file))
    assert reach.value == str(tmp_path.resolve())


def test_run_reaches_what_the_file_names_and_not_what_the_ledger_does(tmp_path: Path) -> None:
    school = make(tmp_path / "mine", 'base = "demo"\n[ladder]\nembeddings = "bge"\n')
    queued = Settings.model_validate(
        {
            "base": "mine/base",
            "queue": "redis://203.0.113.9/0",
            "notes": {"folder": "/etc", "text_column": "body"},
            "ladder": {"embeddings": "/elsewhere"},
            "server": {"url": "http://203.0.113.9/v1", "model": "m", "allow_remote": True},
        }
    )
    used = with_reach_of_file(school, queued)
    assert (used.notes.folder, used.ladder.embeddings) == ("notes", "bge")
    assert (used.server.url, used.server.allow_remote, str(used.queue)) == ("", False, "sqlite")
    assert (used.base, used.notes.text_column) == ("mine/base", "body")


def test_base_on_another_computer_must_be_named_by_the_file() -> None:
    share = r"\\203.0.113.9\share\model"
    check_base(share, Settings(base=share))
    check_base("owner/model", Settings(base="demo"))
    with pytest.raises(LearningError, match="lies on another computer"):
        check_base(share, Settings(base="demo"))


def test_an_id_that_cannot_be_read_now_is_neither_foreign_nor_replaced(
    make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = make_school()
    before = school.identity_file.read_bytes()

    def fail(file: Path, limit: int = 0) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))

    with monkeypatch.context() as patched:
        patched.setattr(files, "read", fail)
        for ask in (is_trusted, trust):
            with pytest.raises(UnreadableFile):
                ask(school)
    assert school.identity_file.read_bytes() == before and is_trusted(school)
