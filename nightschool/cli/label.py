"""`label`: you decide on single notes, one key per note."""

from __future__ import annotations

import sys
import unicodedata
from string import ascii_lowercase, ascii_uppercase, digits
from typing import TYPE_CHECKING

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.errors import NightschoolError
from nightschool.config.paths import School
from nightschool.config.printable import printable
from nightschool.config.settings_file import load
from nightschool.reports.text.wording import counted, percent

if TYPE_CHECKING:
    from rich.console import Console

    from nightschool.stages.label_questions import Question, Questionnaire

_COMMANDS = {"s": "skip", "u": "undo", "x": "exclude", "v": "view whole note", "q": "quit"}
_KEYS = [key for key in digits[1:] + ascii_lowercase + ascii_uppercase if key not in _COMMANDS]
_TITLES = {
    "copies": "with copies of different kinds",
    "none": "unlabelled and unlike every kind",
    "suspects": "likely mislabelled",
    "first": "unlabelled, for kinds with too few notes",
}


@click.command("label")
@click.option(
    "--only",
    type=click.Choice(list(_TITLES)),
    multiple=True,
    help="Ask only about notes whose copies have different kinds, that are unlike every kind, that are likely "
    "mislabelled, or, while a kind has too few notes, about any. May be given several times.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Maximum notes per question type.",
)
@as_json
def label_command(only: tuple[str, ...], most: int, json_: bool) -> None:
    """Label unclear notes, one key per note.

    Asks about notes whose copies have different kinds, unlabelled notes that are unlike every kind, and
    notes that look mislabelled. While a kind has fewer than 3 notes, it asks about any unlabelled notes.

    Each label is saved immediately to labels.jsonl, beside nightschool.toml, and takes precedence over the
    kind that a folder or table gives. The notes themselves are not changed.
    """
    school = current_school()
    settings = load(school.settings_file)
    if not json_ and not _at_a_terminal():
        raise click.UsageError(
            "standard input is not a terminal: run this in one, list the notes with --json, or write "
            f"{school.labels_file.name} by hand"
        )
    if not json_:
        click.echo("looking for unclear notes ...", err=True)
    from nightschool.stages.label_questions import QuestionType, find_questions  # lazy: sklearn

    types = [type_ for type_ in QuestionType if not only or type_ in only]
    questionnaire = find_questions(school, settings, types, most)
    if json_:
        print_json(questionnaire.as_dict())
        return
    if not questionnaire.questions:
        click.echo("there are no unclear notes")
        return
    _announce(questionnaire, school)
    try:
        saved = _Session(questionnaire, school).ask_all()
    except (KeyboardInterrupt, EOFError):
        click.echo(f"stopped; the labels so far are saved in {school.labels_file.name}")
        raise click.Abort from None
    if saved:
        click.echo(
            f"{counted(saved, 'label')} saved in {school.labels_file.name}; the next `nightschool run` "
            "uses them"
        )


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _announce(questionnaire: Questionnaire, school: School) -> None:
    parts = ", ".join(f"{n} {_TITLES[type_]}" for type_, n in questionnaire.counts().items())
    click.echo(f"{counted(len(questionnaire.questions), 'note')} to label: {parts}")
    if len(questionnaire.kinds) > len(_KEYS):
        click.echo(
            f"only the first {len(_KEYS)} of the {len(questionnaire.kinds)} kinds, by name, have a key"
        )
    click.echo(
        f"each label is saved immediately to {school.labels_file}; the notes are not changed"
    )


class _Session:
    """The questions, how far the user has come, and what the keys do."""

    def __init__(self, questionnaire: Questionnaire, school: School) -> None:
        from nightschool.config.terminal_console import TerminalConsole  # lazy: rich

        self._questionnaire = questionnaire
        self._school = school
        self._console = TerminalConsole()
        self._kinds = dict(zip(_KEYS, questionnaire.kinds, strict=False))
        self._labelled: list[bool] = []
        """For each note so far, whether it was labelled; else it was skipped."""

    def ask_all(self) -> int:
        """Ask until every note is decided or the user quits; returns the number of labels saved."""
        whole = False
        while len(self._labelled) < len(self._questionnaire.questions):
            place = f"{len(self._labelled) + 1}/{len(self._questionnaire.questions)}"
            question = self._questionnaire.questions[len(self._labelled)]
            _show(self._console, self._questionnaire, question, self._kinds, place, whole)
            key = _next_key(set(self._kinds) | set(_COMMANDS))
            whole = key == "v"
            if key == "q":
                break
            try:
                self._act(key, question)
            except OSError as error:
                raise NightschoolError(
                    f"{self._school.labels_file} cannot be written: {error.strerror}",
                    "this label is not saved, the earlier ones are",
                ) from None
        return sum(self._labelled)

    def _act(self, key: str, question: Question) -> None:
        from nightschool.stages.label_questions import delete_label, save_label  # lazy: sklearn

        if key == "u":
            if not self._labelled:
                click.echo("there is nothing to undo")
            elif self._labelled.pop():
                delete_label(self._school, self._questionnaire.questions[len(self._labelled)])
        elif key == "s":
            self._labelled.append(False)
            click.echo("skipped")
        elif key != "v":
            kind = self._kinds.get(key)
            save_label(self._school, question, kind)
            self._labelled.append(True)
            click.echo(f"-> {'excluded' if kind is None else kind}")


def _next_key(accepted: set[str]) -> str:
    """The next accepted key; a Japanese input method may send "１" for "1"."""
    while True:
        key = unicodedata.normalize("NFKC", click.getchar())
        if key in accepted:
            return key
        if not key:  # the terminal is gone
            raise EOFError
        click.echo("unknown key: use one of those above")


def _show(
    console: Console,
    questionnaire: Questionnaire,
    question: Question,
    kinds: dict[str, str],
    place: str,
    whole: bool,
) -> None:
    from rich.columns import Columns  # lazy: rich
    from rich.text import Text  # lazy: rich

    console.rule(style="dim")
    console.print(Text(f"{place}  {question.source}", style="bold"))
    console.print(Text(_reason(question), style="dim"))
    lines = Text(printable(question.text.strip()), tab_size=4).wrap(console, console.width)
    height = len(lines) if whole else max(4, console.height - 10 - len(kinds) // 3)
    for line in lines[:height]:
        console.print(line)
    if rest := len(lines[height:]):
        console.print(Text(f"... {counted(rest, 'more line')} (v shows all)", style="dim"))
    console.print()
    choices = [
        Text(f"{key} {kind}{' (none of the kinds)' if kind == questionnaire.none else ''}")
        for key, kind in kinds.items()
    ]
    console.print(Columns(choices, padding=(0, 2)))
    console.print(Columns([Text(f"{k} {name}") for k, name in _COMMANDS.items()], padding=(0, 2)))


def _reason(question: Question) -> str:
    given = " and ".join(question.given)
    if question.type == "copies":
        return f"copies of this note have the kinds {given}"
    if question.type == "first":
        return "unlabelled; a kind has too few notes yet"
    guess = f"a simple model predicts {question.guess}, {percent(question.probability)}"
    if question.type == "none":
        return f"unlabelled, and unlike every kind ({guess})"
    return f"labelled {given} ({guess})"
