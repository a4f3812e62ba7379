from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config import file_systems
from nightschool.config.errors import UnsafeFileSystem
from nightschool.config.file_systems import (
    FileSystem,
    _on_linux,
    check_file_system,
    file_system,
    synchronised_by,
)

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /home rw,relatime shared:1 - nfs4 nas:/home rw,vers=4.2
41 27 0:41 / /home/me/my\\040\\345\\255\\246\\346\\240\\241 rw - fuse.sshfs me@nas:/ rw
42 27 0:42 / /mnt/c rw - 9p C:\\134 rw
43 27 0:43 / /data rw - btrfs /dev/vdb rw
44 43 0:44 / /data rw - fuse.passthrough x rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/srv/school", FileSystem("ext4", True)),
        ("/home/me/school", FileSystem("nfs4", False)),
        ("/home/me/my 学校/.nightschool", FileSystem("fuse.sshfs", False)),
        ("/mnt/c/Users", FileSystem("9p", False)),
        ("/data/school", FileSystem("fuse.passthrough", False)),
        ("/homes", FileSystem("ext4", True)),
    ],
)
def test_the_nearest_mount_decides(path: str, expected: FileSystem) -> None:
    assert _on_linux(Path(path), MOUNTS) == expected


def test_an_unknown_kind_counts_as_shared() -> None:
    line = "27 1 254:0 / / rw - newfs /dev/vda rw"
    assert _on_linux(Path("/x"), line) == FileSystem("newfs", False)


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "file_system", lambda folder: FileSystem("nfs", False))


def test_a_folder_to_be_made_is_on_the_file_system_above(tmp_path: Path) -> None:
    assert file_system(tmp_path / "not" / "there") == file_system(tmp_path)


@pytest.mark.usefixtures("share")
def test_a_good_file_system_passes_and_nothing_is_left(tmp_path: Path) -> None:
    check_file_system(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("share")
def test_locks_that_another_process_does_not_see_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_systems, "_try_elsewhere", lambda trial: 11)
    with pytest.raises(UnsafeFileSystem, match="another process does not see a lock"):
        check_file_system(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("folder", "name"),
    [("/home/me/Dropbox/school", "Dropbox"), ("/home/me/OneDrive - Work/s", "OneDrive - Work"),
     ("/home/me/school", "")],
)  # fmt: skip
def test_a_synchronised_folder_is_recognised(folder: str, name: str) -> None:
    assert synchronised_by(Path(folder)) == name
