"""What `classify` is to classify: a text, files, or standard input, read as training reads notes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from nightschool.config.errors import NotesError
from nightschool.config.printable import listed
from nightschool.config.settings import NotesSettings
from nightschool.notes.decoding import Undecodable, decode
from nightschool.notes.folder_scan import NOTE_SUFFIXES
from nightschool.notes.note import LoadedNotes, Note, SkipReason, skip_message
from nightschool.notes.readers import parse_note, read_to_classify
from nightschool.notes.reading_limits import MOST_CHARACTERS
from nightschool.notes.tables import parse_json

_FORMS = "give a text, files, or - for standard input"
_STDIN = "standard input"


@dataclass(slots=True)
class Inputs:
    """The notes to classify, and what is known about the lines of JSON that they come from."""

    notes: list[Note] = field(default_factory=list)
    ids: dict[str, object] = field(default_factory=dict)
    """By source: what the caller calls a note."""
    broken: int = 0
    """How many lines could not be read; each is reported."""


@dataclass(frozen=True, slots=True)
class InputReader:
    """Reads inputs with the settings of a school; `cleaned` removes what gives a kind away."""

    settings: NotesSettings
    cleaned: Callable[[str], str]

    def read(self, inputs: Sequence[str], json_lines: bool) -> Inputs:
        """The notes that the command line names. Raises UsageError; what is skipped is reported."""
        from_stdin = not inputs or list(inputs) == ["-"]
        if json_lines and not from_stdin:
            raise click.UsageError(
                "--jsonl is for standard input: give -, or a .jsonl file without --jsonl"
            )
        if not inputs and sys.stdin.isatty():
            raise click.UsageError(f"nothing to classify: {_FORMS}")
        if json_lines:
            return self._json_lines()
        if from_stdin:
            raw = _standard_input(self.settings.max_bytes, "notes.max_bytes")
            return Inputs([self._note(raw, "-", _STDIN, self.settings)])
        if not "".join(inputs).strip():
            raise click.UsageError(f"the text is empty: {_FORMS}")
        paths = [Path(part) for part in inputs]
        if any(map(_exists, paths)):
            return Inputs(self._files(paths))
        missing = [path for path in paths if path.suffix.lower() in NOTE_SUFFIXES]
        if missing:
            raise click.UsageError(f"{missing[0]} does not exist: check its path")
        return Inputs([self._text(" ".join(inputs), "text", "the text")])

    def _files(self, paths: Sequence[Path]) -> list[Note]:
        notes: list[Note] = []
        for path in paths:
            if not _exists(path):
                raise click.UsageError(f"{path} does not exist: check its path")
            reading = read_to_classify(path, self.settings)
            folder = path if path.is_dir() else path.parent
            for skipped in reading.skipped:
                _skip(f"{folder / skipped.source}: {skipped.message}")
            _warn(reading)
            for note in reading.notes:
                source, text = (folder / note.source).as_posix(), self.cleaned(note.text)
                if text.strip():
                    notes.append(replace(note, text=text, source=source))
                else:
                    _skip(f"{source}: {skip_message(SkipReason.EMPTY)}")
        if not notes:
            names = listed([str(path) for path in paths])
            raise click.UsageError(f"{names}: no notes found; give Markdown or text files")
        return notes

    def _json_lines(self) -> Inputs:
        """The notes in the lines of standard input. A line that is broken is reported, and skipped."""
        raw = _standard_input(MOST_CHARACTERS, "what fits")
        try:
            lines = decode(raw, self.settings.encoding).text.split("\n")
        except Undecodable as error:
            raise click.UsageError(f"{_STDIN}: {error}") from None
        inputs = Inputs()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = _row(line, f"{_STDIN}, line {number}")
                note = self._text(row["text"], f"-:{number}", f"{_STDIN}, line {number}")
            except (NotesError, click.UsageError) as error:
                inputs.broken += 1
                _skip(str(error))
                continue
            inputs.notes.append(note)
            if "id" in row:
                inputs.ids[note.source] = row["id"]
        if not inputs.notes and not inputs.broken:
            raise click.UsageError(f'{_STDIN} is empty: give lines such as {{"text": "a note"}}')
        return inputs

    def _text(self, text: str, source: str, place: str) -> Note:
        settings = self.settings.model_copy(update={"encoding": "utf-8"})
        return self._note(text.encode("utf-8", "replace"), source, place, settings)

    def _note(self, raw: bytes, source: str, place: str, settings: NotesSettings) -> Note:
        """The note in a text that is not in a file. Raises UsageError."""
        if len(raw) > settings.max_bytes:
            raise _too_large(place, settings.max_bytes, "notes.max_bytes")
        try:
            reading = parse_note(raw, place, settings)
        except Undecodable as error:
            raise click.UsageError(f"{place}: {error}") from None
        text = self.cleaned(reading.notes[0].text) if reading.notes else ""
        if not text.strip():
            raise click.UsageError(f"{place} is empty: give a note")
        _warn(reading)
        return replace(reading.notes[0], text=text, source=source)


def _row(line: str, where: str) -> dict[str, Any]:
    """The object in a line. Raises NotesError."""
    row = parse_json(line, where)
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise NotesError(f'{where}: no "text"', 'write {"text": "a note"}')
    if isinstance(row.get("id"), dict | list):
        raise NotesError(f'{where}: "id" is neither text nor a number', "correct it")
    return row


def _standard_input(most: int, limit: str) -> bytes:
    raw = sys.stdin.buffer.read(most + 1)
    if len(raw) > most:
        raise _too_large(_STDIN, most, limit)
    return raw


def _too_large(place: str, most: int, limit: str) -> click.UsageError:
    return click.UsageError(
        f"{place} is larger than {limit} = {most:,}: give a shorter note, or raise that"
    )


def _warn(reading: LoadedNotes) -> None:
    for warning in reading.warnings:
        click.echo(warning, err=True)


def _skip(what: str) -> None:
    click.echo(f"skipped {what}", err=True)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a text too long for a file name
        return False
