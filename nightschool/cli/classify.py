"""`classify`: sort notes with the model in use."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.settings import NotesSettings
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.notes.decoding import Undecodable
from nightschool.notes.readers import Note, parse_note, read_notes
from nightschool.reports.text.wording import percent

_SUFFIXES = (".md", ".markdown", ".txt", ".jsonl", ".csv")


@click.command("classify")
@click.argument("what", nargs=-1, metavar="[TEXT | FILE... | -]")
@click.option("--run", type=int, help="The model of this run, instead of the one in use.")
@as_json
def classify_command(what: tuple[str, ...], run: int | None, json_: bool) -> None:
    """Sort notes with the model in use: a text, files or folders of notes, or standard input (-)."""
    from nightschool.tasks.child_queries import ask_to_classify

    school = current_school()
    settings = load(school.settings_file)
    notes = _notes(what, settings.notes)
    if run is None:
        with Ledger(school.ledger_file) as ledger:
            promotions = ledger.promotions()
        if not promotions:
            raise click.ClickException(
                "no model is in use yet: `nightschool run --now` trains one, and `nightschool promote RUN` "
                "takes one that its comparison did not promote"
            )
        run = promotions[-1]
    if sys.stderr.isatty():
        click.echo(f"loading the model of run {run} ...", err=True)
    texts = [(note.source, note.text) for note in notes]
    for answer in ask_to_classify(school, run, texts, abstain=settings.classify.abstain):
        if json_:
            print_json(answer.model_dump())
        else:
            source = "" if len(notes) == 1 else f"  {answer.source}"
            cut = f"  (cut: {100 * answer.unseen:.1f} % of it is not seen)" if answer.unseen else ""
            sure = percent(answer.probability)
            if answer.kind != answer.likeliest:
                sure = f"(not sure: {answer.likeliest} {sure})"
            click.echo(f"{answer.kind}  {sure}{source}{cut}")


def _notes(what: Sequence[str], settings: NotesSettings) -> list[Note]:
    """The notes that the command line names, read as those to train on are."""
    if not what and sys.stdin.isatty():
        raise click.UsageError("nothing to sort: give a text, files, or - for standard input")
    if not what or list(what) == ["-"]:
        return [_standard_input()]
    if not "".join(what).strip():
        raise click.UsageError("the text is empty")
    paths = [Path(part) for part in what]
    if not any(map(_exists, paths)):
        missing = [path for path in paths if path.suffix.lower() in _SUFFIXES]
        if missing:
            raise click.UsageError(f"there is no file {missing[0]}")
        return [Note(" ".join(what), None, "text")]
    notes: list[Note] = []
    for path in paths:
        if not _exists(path):
            raise click.UsageError(f"there is no file {path}")
        reading = read_notes(path, settings, labelled=False)
        folder = path if path.is_dir() else path.parent
        for skipped in reading.skipped:
            click.echo(f"skipped {folder / skipped.source}: {skipped.reason}", err=True)
        notes += [replace(note, source=(folder / note.source).as_posix()) for note in reading.notes]
    if not notes:
        raise click.UsageError("there are no notes in there")
    return notes


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a text too long for a file name
        return False


def _standard_input() -> Note:
    try:
        note = parse_note(sys.stdin.buffer.read(), "-")
    except Undecodable as error:
        raise click.UsageError(f"standard input: {error}") from None
    if not note.text.strip():
        raise click.UsageError("standard input: the note is empty")
    return note
