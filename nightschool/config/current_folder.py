"""Keeps the current folder out of the search for code and programs.

The current folder may be a vault from elsewhere that holds a `json.py` or a `git.exe`. Every entry point calls
`keep_out` first, so this file may import only what Python itself has loaded before (not even `__future__`).
"""

import os
import sys

# Folders that a relative path in the environment names; children work in another folder.
_PATH_VARIABLES = ("HF_HOME", "HF_HUB_CACHE", "NIGHTSCHOOL_STATE")

NEUTRAL_FOLDER = sys.prefix
"""Where children work: it always exists, and whatever it holds is run anyway.

A loader that searches the current folder (CreateProcess, dlopen on macOS, an empty entry in LD_LIBRARY_PATH)
finds nothing of others there.
"""


def keep_out() -> None:
    """Search no current folder from now on, in this process and in those that it starts."""
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        here = ""
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", here):
        del sys.path[0]
    given = os.environ.get("PYTHONPATH", "")
    absolute = [entry for entry in given.split(os.pathsep) if os.path.isabs(entry)]
    for entry in given.split(os.pathsep) if given and here else ():
        found = os.path.abspath(entry)  # as Python has understood it: "" is the current folder
        if found not in absolute and found in sys.path:
            sys.path.remove(found)
    _set("PYTHONPATH", os.pathsep.join(absolute))
    _set("PATH", os.pathsep.join(_program_folders()))
    for name in _PATH_VARIABLES:
        if here and os.environ.get(name):
            os.environ[name] = os.path.abspath(os.path.expanduser(os.environ[name]))
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["NODEFAULTCURRENTDIRECTORYINEXEPATH"] = "1"  # for cmd.exe and SearchPath


def python(*arguments: str) -> list[str]:
    """The command line of a Python that imports nothing from the current folder."""
    return [sys.executable, "-P", *arguments]


def program(name: str) -> str | None:
    """The full path of a program on PATH; None if there is none.

    Unlike `shutil.which`, never one in the current folder, which Windows searches first.
    """
    suffixes = os.environ.get("PATHEXT", ".EXE").split(os.pathsep) if os.name == "nt" else [""]
    for folder in _program_folders():
        for suffix in suffixes:
            file = os.path.join(folder, name + suffix)
            if os.path.isfile(file) and os.access(file, os.X_OK):
                return file
    return None


def _program_folders() -> list[str]:
    return [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if os.path.isabs(folder)
    ]


def _set(name: str, value: str) -> None:
    if value:
        os.environ[name] = value
    else:
        os.environ.pop(name, None)
