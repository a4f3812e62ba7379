"""`classify`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from nightschool.cli.options import RUN_NUMBER, as_json, current_school, print_json
from nightschool.config.errors import NightschoolError
from nightschool.config.settings import NotesSettings, recorded
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.notes.decoding import Undecodable
from nightschool.notes.kind_marks import without_kind_marks
from nightschool.notes.kinds import KnownKinds
from nightschool.notes.note import Note
from nightschool.notes.readers import parse_note, read_to_classify
from nightschool.reports.text.wording import percent
from nightschool.stages.child_jobs import ClassifiedNote
from nightschool.stages.publish import ModelCard, read_card
from nightschool.tasks.child_queries import ask_to_classify

_SUFFIXES = (".md", ".markdown", ".txt", ".jsonl", ".csv")


@click.command("classify")
@click.argument("inputs", nargs=-1, metavar="[TEXT | FILE... | -]")
@click.option("--run", type=RUN_NUMBER, help="Use the model of this run instead of the one in use.")
@as_json
def classify_command(inputs: tuple[str, ...], run: int | None, json_: bool) -> None:
    """Classify notes with the model in use.

    Takes a text, files or folders of notes, or standard input (-).
    """
    school = current_school()
    settings = load(school.settings_file)
    notes = _read_inputs(inputs, settings.notes)
    if run is None:
        with Ledger(school.ledger_file, writes=False) as ledger:
            promotions = ledger.promotions()
        if not promotions:
            raise NightschoolError(
                "no model is in use yet",
                "train one with `nightschool run --now`, or use a trained one with `nightschool promote RUN`",
            )
        run = promotions[-1]
    texts = _as_in_training(notes, read_card(school, run))
    if sys.stderr.isatty():
        click.echo(f"loading the model of run {run} ...", err=True)
    for answer in ask_to_classify(school, run, texts, abstain=settings.classify.abstain):
        if json_:
            print_json(answer.model_dump())
        else:
            click.echo(_line(answer, with_source=len(notes) > 1))


def _line(answer: ClassifiedNote, with_source: bool) -> str:
    """'lesson  87 %  inbox/a.md', and what the model did not see of the note."""
    source = f"  {answer.source}" if with_source else ""
    unseen = f"  (cut: {100 * answer.unseen:.1f} % not read)" if answer.unseen else ""
    confidence = percent(answer.probability)
    if answer.kind != answer.likeliest:
        confidence = f"(unsure: {answer.likeliest} {confidence})"
    return f"{answer.kind}  {confidence}{source}{unseen}"


def _as_in_training(notes: Sequence[Note], card: ModelCard) -> list[tuple[str, str]]:
    """(source, text) of each note, without what gives a kind of the model away, as in its training."""
    trained = recorded(card.settings)
    aliases = {kind: each.aliases for kind, each in trained.kinds.items()}
    known = KnownKinds(card.kinds, aliases)
    return [(note.source, without_kind_marks(note.text, known, trained.notes)) for note in notes]


def _read_inputs(inputs: Sequence[str], settings: NotesSettings) -> list[Note]:
    """The notes that the command line names, read like training notes."""
    if not inputs and sys.stdin.isatty():
        raise click.UsageError("nothing to classify: give a text, files, or - for standard input")
    if not inputs or list(inputs) == ["-"]:
        return [_from_bytes(_standard_input(settings.max_bytes), "-", settings)]
    if not "".join(inputs).strip():
        raise click.UsageError("the text is empty: give a text, files, or - for standard input")
    paths = [Path(part) for part in inputs]
    if not any(map(_exists, paths)):
        missing = [path for path in paths if path.suffix.lower() in _SUFFIXES]
        if missing:
            raise click.UsageError(f"{missing[0]} does not exist: check its path")
        return [_from_bytes(" ".join(inputs).encode(errors="replace"), "text", settings)]
    notes: list[Note] = []
    for path in paths:
        if not _exists(path):
            raise click.UsageError(f"{path} does not exist: check its path")
        reading = read_to_classify(path, settings)
        folder = path if path.is_dir() else path.parent
        for skipped in reading.skipped:
            click.echo(f"skipped {folder / skipped.source}: {skipped.message}", err=True)
        for warning in reading.warnings:
            click.echo(warning, err=True)
        notes += [replace(note, source=(folder / note.source).as_posix()) for note in reading.notes]
    if not notes:
        raise click.UsageError(f"{', '.join(inputs)}: no notes found; give Markdown or text files")
    return notes


def _standard_input(most: int) -> bytes:
    raw = sys.stdin.buffer.read(most + 1)
    if len(raw) > most:
        raise click.UsageError(
            f"standard input is larger than notes.max_bytes = {most:,}: give a shorter note, or raise that"
        )
    return raw


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a text too long for a file name
        return False


def _from_bytes(raw: bytes, source: str, settings: NotesSettings) -> Note:
    """The note in a text of the command line or in standard input."""
    place = "standard input"
    if source == "text":
        place, settings = "the text", settings.model_copy(update={"encoding": "utf-8"})
    try:
        reading = parse_note(raw, place, settings)
    except Undecodable as error:
        raise click.UsageError(f"{place}: {error}") from None
    if not reading.notes:
        raise click.UsageError(f"{place} is empty: give a note")
    for warning in reading.warnings:
        click.echo(warning, err=True)
    return replace(reading.notes[0], source=source)
