"""Which schools this user has made or accepted on this computer, as git does with `safe.directory`.

A school that was copied, cloned or unpacked brings settings of others: folders to read, servers to ask,
keys to send. A record in the user's own state folder, one file per school and path, names the school by the
random id in its `.nightschool` and holds a digest of what its settings reach. A school is trusted

- at a recorded path with a recorded id: the user may edit the settings, and the record follows;
- at another path (it was moved) only if what it reaches is what was accepted before, because whoever was sent
  the school knows its id.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from nightschool.config import bounded_json, files
from nightschool.config.errors import ConfigError, LearningError, passes, unreadable
from nightschool.config.paths import School, state_folder
from nightschool.config.settings import Settings
from nightschool.config.settings_file import load

_LIMIT = 4096  # bytes of an id or a record


@dataclass(frozen=True, slots=True)
class Reach:
    """Something outside the school that its settings name."""

    setting: str
    value: str
    """As the settings name it; for a link inside the school, where it leads."""
    text: str
    """What is done with it, for people; printable."""


def reaches(school: School, settings: Settings) -> list[Reach]:
    """Everything outside the school that a run, `doctor` or `classify` would read or connect to.

    Connects to nothing itself.
    """
    found = []

    def add(setting: str, value: str, text: str) -> None:
        if value:
            shown = "".join(char if char.isprintable() else "\ufffd" for char in text)
            found.append(Reach(setting, value, shown))

    for folder in settings.notes.folders:
        notes = _outside(school, folder)
        add("notes.folder", notes, f"reads the notes in {notes}")
    labels = _outside(school, school.labels_file.name)
    add("labels.jsonl", labels, f"reads and writes the labels in {labels}")
    base = "" if settings.base == "demo" else settings.base
    if base and not _outside(school, base) and (school.root / base).is_dir():
        base = ""
    add("base", base, f"loads the base model {base}, from the hub unless it is on disk")
    embeddings = settings.ladder.embeddings and _outside(school, settings.ladder.embeddings)
    add("ladder.embeddings", embeddings, f"loads the embedding model in {embeddings}")
    server, whose = (
        settings.server,
        "another computer" if settings.server.allow_remote else "a server",
    )
    add("server.url", server.url, f"sends the test notes to {whose}, {server.url}")
    add("server.allow_remote", str(server.allow_remote) if server.url else "", "")
    if server.url and server.api_key_env:
        key = f"sends it the content of the environment variable {server.api_key_env}"
        add("server.api_key_env", server.api_key_env, key)
    queue = "" if settings.queue == "sqlite" else str(settings.queue)
    add("queue", queue, f"connects to {queue}")
    return found


def is_trusted(school: School) -> bool:
    """Whether the user has made or accepted this school.

    Raises ConfigError if its settings are wrong, UnreadableFile.
    """
    identity = _identity(school)
    if not identity:
        return False
    record = _record_file(school, identity)
    if (accepted := _read_record(record)) is not None:
        with suppress(ConfigError, OSError):  # the command itself reports wrong settings
            if accepted != _digest(school):
                _write_record(school, record)
        return True
    digest = _digest(school)
    if any(_read_record(other) == digest for other in record.parent.glob(f"{identity}-*")):
        with suppress(OSError):
            _write_record(school, record)
        return True
    return False


def trust(school: School) -> None:
    """Record that this school is the user's own. Raises OSError, or ConfigError if its settings are wrong."""
    identity = _identity(school)
    if not identity:
        identity = secrets.token_hex(16)
        files.write(school.identity_file, identity + "\n")
    _write_record(school, _record_file(school, identity))


def with_reach_of_file(school: School, queued: Settings) -> Settings:
    """The settings that a run was queued with, except that what they reach is as `nightschool.toml` says now.

    The ledger may be that of another, with settings that nobody was asked about. Raises ConfigError if the
    file is wrong, LearningError if the run names a base model on another computer and the file does not.
    """
    now = load(school.settings_file)
    check_base(queued.base, now)
    return queued.model_copy(
        update={
            "notes": queued.notes.model_copy(update={"folder": now.notes.folder}),
            "ladder": queued.ladder.model_copy(update={"embeddings": now.ladder.embeddings}),
            "server": now.server,
            "queue": now.queue,
        }
    )


def check_base(base: str, now: Settings) -> None:
    """Raise LearningError if a run's base lies on a network share of Windows that the file does not name."""
    if base != now.base and PureWindowsPath(base).drive.startswith("\\"):
        raise LearningError(
            f"base = {base!r} lies on another computer, and nightschool.toml does not name it",
            "set base again, or queue a new run with `nightschool run --new`",
        )


def _identity(school: School) -> str:
    try:
        identity = files.read(school.identity_file, _LIMIT).decode("ascii").strip()
    except (OSError, ValueError) as error:
        if passes(error):
            raise unreadable(school.identity_file, error) from None
        return ""
    return identity if re.fullmatch("[0-9a-f]{32}", identity) else ""


def _record_file(school: School, identity: str) -> Path:
    path = os.fsencode(os.path.normcase(school.root))
    return state_folder() / "schools" / f"{identity}-{hashlib.sha256(path).hexdigest()[:16]}.json"


def _read_record(file: Path) -> str | None:
    """The digest of what was accepted; None if there is no record."""
    try:
        return str(bounded_json.read(file, _LIMIT)["reaches"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if passes(error):
            raise unreadable(file, error) from None
        return None


def _write_record(school: School, file: Path) -> None:
    record = {"school": str(school.root), "reaches": _digest(school)}
    files.write(file, json.dumps(record, ensure_ascii=True))


def _digest(school: School) -> str:
    pairs = [(each.setting, each.value) for each in reaches(school, load(school.settings_file))]
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def _outside(school: School, given: str) -> str:
    """The path `given` if it leads out of the school, also through a link; else ""."""
    path = Path(given).expanduser()
    full = Path(os.path.normpath(school.root / path))
    if not full.is_relative_to(school.root):
        return given  # not resolved: on Windows that may connect to another computer
    target = full.resolve()
    return "" if target.is_relative_to(school.root.resolve()) else str(target)
