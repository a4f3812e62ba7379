"""Walking folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nightschool.config import files
from nightschool.config.folder_walk import walk


def test_folders_and_files_are_found_as_by_the_system_and_folders_can_be_left_out(
    tmp_path: Path,
) -> None:
    for name in ("a/b/c.txt", "a/d/e.txt", "f.txt", "left out/g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    found = {path: (set(folders), set(names)) for path, folders, names in walk(tmp_path)}
    assert found == {p: (set(d), set(n)) for p, d, n in os.walk(tmp_path, followlinks=False)} | {
        str(tmp_path): ({"a", "left out"}, {"f.txt", "link"})
    }
    kept = []
    for path, folders, _ in walk(tmp_path):
        kept.append(Path(path).name)
        if "left out" in folders:
            folders.remove("left out")
    assert sorted(kept) == sorted([tmp_path.name, "a", "b", "d"])
    assert list(walk(tmp_path / "absent")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs paths of 2,000 characters")
def test_folders_deeper_than_the_stack_are_walked(tmp_path: Path) -> None:
    deepest = tmp_path
    for _ in range(1_200):
        deepest /= "d"
        deepest.mkdir()
    (deepest / ".x.tmp").touch()
    try:
        assert sum(1 for _ in walk(tmp_path)) == 1_201
        files.clean(tmp_path)
        assert list(deepest.iterdir()) == []
    finally:  # pytest cannot
        files.remove(tmp_path / "d")
    assert list(tmp_path.iterdir()) == []
