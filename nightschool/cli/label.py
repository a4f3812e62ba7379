"""`label`: the owner decides on single notes, one key a note."""

from __future__ import annotations

import re
import sys
import unicodedata
from string import ascii_lowercase, ascii_uppercase, digits
from typing import TYPE_CHECKING

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.reports.text.wording import percent

if TYPE_CHECKING:
    from rich.console import Console

    from nightschool.stages.label_questions import Question, Tour

_COMMANDS = {"s": "skip", "u": "undo", "x": "leave out", "v": "whole note", "q": "quit"}
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_DIRECTION = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_KEYS = [key for key in digits[1:] + ascii_lowercase + ascii_uppercase if key not in _COMMANDS]
_NAMES = {
    "copies": "under different kinds",
    "none": "far from every kind",
    "suspects": "likely mislabelled",
}


@click.command("label")
@click.option(
    "--only", type=click.Choice(list(_NAMES)), multiple=True, help="Ask about these alone."
)
@click.option(
    "--most", type=click.IntRange(min=1), default=20, show_default=True, help="Of each sort."
)
@as_json
def label_command(only: tuple[str, ...], most: int, json_: bool) -> None:
    """Decide on single notes, one key a note: those whose copies stand under different kinds, those
    without a kind that are far from every kind, and those that look mislabelled.

    Answers are kept in labels.jsonl beside nightschool.toml, each at once, and win over the kind that a
    folder or table gives. The notes themselves are not touched.
    """
    school = current_school()
    settings = load(school.settings_file)
    if not json_ and not _at_a_terminal():
        raise click.UsageError(
            "there is nobody to ask: standard input is no terminal (--json lists what would be asked; "
            f"answers can be written into {school.labels_file.name} by hand)"
        )
    if not json_:
        click.echo("looking for notes to ask about ...", err=True)
    from nightschool.stages.label_questions import WHYS, make_tour

    wanted = [why for why in WHYS if not only or why in only]
    tour = make_tour(school, settings, wanted, most)
    if json_:
        print_json(tour.as_dict())
        return
    if not tour.questions:
        click.echo("there is nothing to decide on")
        return
    _say_what_comes(tour, school)
    try:
        kept = _walk(tour, school)
    except (KeyboardInterrupt, EOFError):
        click.echo(f"what was answered is kept in {school.labels_file.name}")
        raise click.Abort from None
    if kept:
        counted = f"{kept} answer{'s'[: kept != 1]} kept in {school.labels_file.name}"
        click.echo(f"{counted}; the next `nightschool run` goes by them")


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _say_what_comes(tour: Tour, school: School) -> None:
    counts = tour.counts()
    sorts = ", ".join(f"{counts[why]} {name}" for why, name in _NAMES.items() if counts[why])
    click.echo(f"{len(tour.questions)} notes to decide on: {sorts}")
    if len(tour.kinds) > len(_KEYS):
        click.echo(
            f"only {len(_KEYS)} of the {len(tour.kinds)} kinds have a key, the first by name"
        )
    click.echo(f"each answer is kept at once in {school.labels_file}; the notes stay as they are")


def _walk(tour: Tour, school: School) -> int:
    """Ask until all is answered or the owner quits; returns how many answers were kept."""
    from rich.console import Console

    from nightschool.stages.label_questions import answer, withdraw

    console = Console(highlight=False)
    kinds = dict(zip(_KEYS, tour.kinds, strict=False))
    answered: list[bool] = []  # for each question so far: or it was skipped
    whole = False
    while len(answered) < len(tour.questions):
        question = tour.questions[len(answered)]
        _show(console, tour, question, kinds, f"{len(answered) + 1}/{len(tour.questions)}", whole)
        whole = False
        key = _key(set(kinds) | set(_COMMANDS))
        try:
            if key == "q":
                break
            if key == "v":
                whole = True
            elif key == "u":
                if not answered:
                    click.echo("there is nothing to undo")
                elif answered.pop():
                    withdraw(school, tour.questions[len(answered)])
            elif key == "s":
                answered.append(False)
                click.echo("skipped")
            else:
                kind = kinds.get(key)
                answer(school, question, kind)
                answered.append(True)
                click.echo(f"-> {'left out' if kind is None else _plain(kind)}")
        except OSError as error:
            raise click.ClickException(
                f"{school.labels_file}: {error.strerror}: this answer is not kept, those before it are"
            ) from None
    return sum(answered)


def _key(known: set[str]) -> str:
    """The next key that means something; an input method for Japanese gives "１" for "1"."""
    while True:
        key = unicodedata.normalize("NFKC", click.getchar())
        if key in known:
            return key
        if not key:  # the terminal is gone
            raise EOFError
        click.echo("that key means nothing here: take one of those above")


def _show(
    console: Console, tour: Tour, question: Question, kinds: dict[str, str], place: str, whole: bool
) -> None:  # fmt: skip
    from rich.columns import Columns
    from rich.text import Text

    console.rule(style="dim")
    console.print(Text(f"{place}  {_plain(question.source)}", style="bold"))
    console.print(Text(_reason(question), style="dim"))
    lines = Text(_plain(question.text.strip())).wrap(console, console.width)
    room = len(lines) if whole else max(4, console.height - 10 - len(kinds) // 3)
    for line in lines[:room]:
        console.print(line)
    if rest := len(lines[room:]):
        more = f"{rest} more line{'s'[: rest != 1]}"
        console.print(Text(f"... {more} (v shows all)", style="dim"))
    console.print()
    choices = [
        Text(f"{key} {_plain(kind)}{' (of no kind)' if kind == tour.none else ''}")
        for key, kind in kinds.items()
    ]
    console.print(Columns(choices, padding=(0, 2)))
    console.print(Columns([Text(f"{k} {name}") for k, name in _COMMANDS.items()], padding=(0, 2)))


def _reason(question: Question) -> str:
    given = " and ".join(map(_plain, question.given))
    if question.why == "copies":
        return f"the same note stands under {given}"
    guess = f"the cheap model says {_plain(question.guess)}, {percent(question.probability)}"
    if question.why == "none":
        return f"no kind yet, and far from every kind ({guess})"
    return f"now {given} ({guess})"


def _plain(text: str) -> str:
    """A text that does nothing to a terminal: its control characters cannot be obeyed."""
    return _CONTROL.sub("\ufffd", _DIRECTION.sub("", text.expandtabs(4)))
