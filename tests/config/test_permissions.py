"""The state of a school is for its user only."""

import os
from pathlib import Path

import pytest

from nightschool.config.permissions import make_private

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX modes")


def _mode(path: Path) -> int:
    return path.lstat().st_mode & 0o777


def test_a_folder_is_made_private_once_and_nothing_is_granted(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    state = tmp_path / ".nightschool"
    (state / "runs").mkdir(parents=True)
    (state / "runs" / "items").touch()
    (state / "locked").touch()
    (state / "link").symlink_to(outside)
    for path, mode in ((state, 0o755), (state / "runs", 0o775), (state / "locked", 0o440)):
        path.chmod(mode)
    before = _mode(outside)
    make_private(state)
    assert _mode(state) == _mode(state / "runs") == 0o700
    assert (_mode(state / "runs" / "items"), _mode(state / "locked")) == (0o600, 0o400)
    assert _mode(outside) == before
    (state / "runs" / "items").chmod(0o644)  # the owner's wish
    make_private(state)
    assert _mode(state / "runs" / "items") == 0o644


def test_no_other_folder_is_touched(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o755)
    (tmp_path / ".nightschool").symlink_to(tmp_path / "home")
    make_private(tmp_path / "home")
    make_private(tmp_path / ".nightschool")
    assert _mode(tmp_path / "home") == 0o755
