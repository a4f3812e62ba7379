"""Who may read the state of a school: its user."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

from nightschool.config.folder_walk import walk
from nightschool.config.paths import STATE_NAME

# On Windows, since these versions, a folder made with mode 0700 gets an access list of its own; it names
# the user, the system and the administrators, as do these grants to it and everything below it.
MKDIR_RESTRICTS = sys.version_info >= (3, 12, 4) or (3, 11, 10) <= sys.version_info < (3, 12)
_WINDOWS_GRANTS = ("*S-1-3-4:(OI)(CI)F", "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F")


def make_private(folder: Path) -> None:
    """Withhold `.nightschool` of this user, and everything in it, from others; never grants anything.

    Quick if it is private already. Errors are ignored: a read-only disk or one without permissions.
    """
    with suppress(OSError):
        about = folder.lstat()
        if folder.name != STATE_NAME or stat.S_ISLNK(about.st_mode):
            return
        if sys.platform == "win32":
            restrict_on_windows(folder)
        elif about.st_mode & 0o077 and about.st_uid == os.geteuid():
            for path, folders, names in walk(folder):
                for name in [*folders, *names]:
                    withhold(Path(path, name))
            withhold(folder)  # last: an interrupted pass is repeated


def withhold(path: Path) -> None:
    """Take from a file or folder what its mode grants to others, if that is possible."""
    with suppress(OSError):
        mode = path.lstat().st_mode
        if mode & 0o077 and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & 0o700)


def restrict_on_windows(folder: Path) -> None:
    """Give a folder an access list of its own, which everything below inherits. Not run on Windows yet."""
    command = ["icacls", str(folder), "/inheritance:r", "/grant:r", *_WINDOWS_GRANTS, "/q"]
    import subprocess  # lazy: subprocess

    with suppress(OSError, subprocess.TimeoutExpired):  # FAT has no access lists
        subprocess.run(command, capture_output=True, timeout=30, check=False)
