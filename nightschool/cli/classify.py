"""`classify`."""

from __future__ import annotations

import re
import sys

import click

from nightschool.cli.classify_inputs import InputReader
from nightschool.cli.options import RUN_NUMBER, as_json, current_school, print_json
from nightschool.config.errors import NightschoolError
from nightschool.config.paths import School
from nightschool.config.settings import NotesSettings, recorded
from nightschool.config.settings_file import load
from nightschool.ledger.ledger import Ledger
from nightschool.notes.kind_marks import without_kind_marks
from nightschool.notes.kinds import KnownKinds
from nightschool.reports.text.wording import percent
from nightschool.stages.child_jobs import ClassifiedNote
from nightschool.stages.publish import ModelCard, read_card
from nightschool.tasks.child_queries import ask_to_classify

# What looks like an option of any program, and not like a note.
_OPTION = re.compile(r"(?:-[A-Za-z]|--[A-Za-z][A-Za-z0-9-]*(?:=\S*)?|-|--)$")


class _ClassifyCommand(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            note = next((each for each in given if each[:1] == "-" and not _OPTION.match(each)), "")
            if not note:
                raise
            raise click.UsageError(
                f'"{note}" is read as options: if it is a note, write -- before it, or use standard input',
                ctx,
            ) from error


@click.command("classify", cls=_ClassifyCommand)
@click.argument("inputs", nargs=-1, metavar="[TEXT | FILE... | -]")
@click.option("--run", type=RUN_NUMBER, help="Use the model of this run instead of the one in use.")
@click.option(
    "--jsonl", is_flag=True, help='Standard input has a {"text": ...} in each line, maybe an "id".'
)
@as_json
def classify_command(inputs: tuple[str, ...], run: int | None, jsonl: bool, json_: bool) -> None:
    """Classify notes with the model in use.

    Takes a text, files or folders of notes, or standard input (-). Write -- before a text that begins with
    a dash.
    """
    school = current_school()
    settings = load(school.settings_file)
    run = _run_to_ask(school, run)
    if run:
        reader = _as_in_training(settings.notes, read_card(school, run))
    else:
        reader = InputReader(settings.notes, lambda text: text)
    given = reader.read(inputs, jsonl)
    if not run:
        raise NightschoolError(
            "no model is in use yet",
            "train one with `nightschool run --now`, or use a trained one with `nightschool promote RUN`",
        )
    texts = [(note.source, note.text) for note in given.notes]
    if texts and sys.stderr.isatty():
        click.echo(f"loading the model of run {run} ...", err=True)
    abstain = settings.classify.abstain
    for answer in ask_to_classify(school, run, texts, abstain=abstain) if texts else ():
        if json_:
            known = {"id": given.ids[answer.source]} if answer.source in given.ids else {}
            print_json({**known, **answer.model_dump()})
        else:
            click.echo(_line(answer, with_source=jsonl or len(texts) > 1))
    if given.broken:
        click.get_current_context().exit(1)


def _run_to_ask(school: School, run: int | None) -> int | None:
    """The given run, else the one in use; None if none is. Raises RequestError if the run does not exist."""
    with Ledger(school.ledger_file, writes=False) as ledger:
        if run:
            return ledger.run(run).id
        promotions = ledger.promotions()
    return promotions[-1] if promotions else None


def _as_in_training(settings: NotesSettings, card: ModelCard) -> InputReader:
    """Reads notes, and removes what gives a kind away, as was done to train a model."""
    trained = recorded(card.settings)
    aliases = {kind: each.aliases for kind, each in trained.kinds.items()}
    known = KnownKinds(card.known_kinds or (*card.kinds, *trained.kinds), aliases)
    reading = settings.model_copy(update={"kind_from": trained.notes.kind_from})
    return InputReader(reading, lambda text: without_kind_marks(text, known, trained.notes))


def _line(answer: ClassifiedNote, with_source: bool) -> str:
    """'lesson  87 %  inbox/a.md', and what the model did not see of the note."""
    source = f"  {answer.source}" if with_source else ""
    unseen = f"  (cut: {100 * answer.unseen:.1f} % not read)" if answer.unseen else ""
    confidence = percent(answer.probability)
    if answer.kind != answer.likeliest:
        confidence = f"(unsure: {answer.likeliest} {confidence})"
    return f"{answer.kind}  {confidence}{source}{unseen}"
