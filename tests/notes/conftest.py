"""A notes folder, and short views of what was read from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.notes.note import LoadedNotes

Put = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty notes folder."""
    notes = tmp_path / "私の notes"
    notes.mkdir()
    return notes


@pytest.fixture
def put(folder: Path) -> Put:
    """Writes a file below the notes folder; text as UTF-8."""

    def write(name: str, content: str | bytes) -> Path:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    return write


def kinds_of(loaded: LoadedNotes) -> dict[str, str | None]:
    return {note.source: note.kind for note in loaded.notes}


def skipped_in(loaded: LoadedNotes) -> dict[str, str]:
    return {skipped.source: skipped.message for skipped in loaded.skipped}


def make_link(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target, target_is_directory=target.is_dir())
    except OSError:
        pytest.skip("this system makes no symbolic links")
