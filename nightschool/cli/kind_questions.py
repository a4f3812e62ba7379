"""What `init` finds in the notes and proposes, and the questions that it asks about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from nightschool.cli.progress import progress_bar
from nightschool.config.errors import ConfigError, NotesError
from nightschool.config.notes_settings import NotesSettings
from nightschool.config.paths import School
from nightschool.config.settings import Settings

if TYPE_CHECKING:
    from nightschool.notes.notes_places import NotesPlace
    from nightschool.stages.first_look import FirstLook
    from nightschool.stages.settings_draft import SettingsDraft

_NO_KINDS = (
    "nothing says which kinds there are: put notes into a folder for each kind, or give them a tag "
    "(#lesson) or a property (kind: lesson), then `nightschool init --update` looks again; or list your "
    'kinds (`nightschool init --update --kinds "lesson, idea"`), and `nightschool label` asks about notes'
)


def propose_settings(
    places: Sequence[NotesPlace], kinds: str | None, exclude: str | None
) -> SettingsDraft | None:
    """Show what the notes at some places hold and what follows; the owner's answers, unless they are given.

    None if there are no notes that can be read.
    """
    from nightschool.stages.settings_draft import draft  # lazy: numpy

    settings = NotesSettings()
    try:
        found = _look(places, settings)
    except NotesError as error:
        click.echo(f"the notes cannot be read yet: {error}")
        return None
    if not found.seen.notes:
        return None
    proposal = draft(found, kinds or "all", exclude or "all")
    _show(found, proposal, settings)
    if not found.proposal.kinds and not proposal.kinds:
        click.echo(_NO_KINDS)
    elif kinds is None and _at_a_terminal():
        answered = _asked(found, exclude)
        if answered != proposal:
            _show(found, answered, settings)
        proposal = answered
    return proposal


def propose_additions(
    school: School, settings: Settings, kinds: str | None, exclude: str | None
) -> SettingsDraft | None:
    """Show what an old school's settings lack; None if that is nothing, or the answer is no.

    Raises NotesError if the notes cannot be read.
    """
    from nightschool.notes.notes_places import notes_places  # lazy: yaml
    from nightschool.stages.settings_draft import additions  # lazy: numpy

    found = _look(notes_places(school.root, settings.notes), settings.notes)
    added = additions(found, settings, kinds or "all", exclude or "all")
    if not added.kinds and not added.notes:
        if found.seen.notes:
            click.echo("there is nothing to add to nightschool.toml")
        return None
    for kind, given in added.kinds.items():
        names = f": other names {', '.join(given.aliases)}" if given.aliases else ""
        click.echo(f'[kinds] "{kind}"{names}')
    for key, value in added.notes.items():
        click.echo(f"[notes] {key}: {', '.join(value) if isinstance(value, list) else value}")
    if kinds is None and _at_a_terminal() and not click.confirm("Add this?", default=True):
        return None
    return added


def _look(places: Sequence[NotesPlace], settings: NotesSettings) -> FirstLook:
    from nightschool.cli.first_look_tables import show_found  # lazy: rich
    from nightschool.config.terminal_console import TerminalConsole  # lazy: rich
    from nightschool.notes.notes_places import in_words  # lazy: yaml
    from nightschool.stages.first_look import look  # lazy: numpy

    with progress_bar() as on_progress:
        found = look(places, settings, on_progress)
    show_found(found, TerminalConsole())
    if not found.seen.notes:
        click.echo(
            f"put your notes into {in_words(places)}, in one sub-folder per kind; then "
            "`nightschool init --update` proposes [kinds]"
        )
    return found


def _show(found: FirstLook, proposal: SettingsDraft, settings: NotesSettings) -> None:
    from nightschool.cli.first_look_tables import show_draft  # lazy: rich
    from nightschool.config.terminal_console import TerminalConsole  # lazy: rich

    try:
        result = found.labelled(proposal.applied(settings), proposal.kinds)
    except NotesError as error:
        click.echo(str(error))  # without [kinds], names that differ in case clash
        return
    show_draft(found, proposal, result, TerminalConsole())


def _asked(found: FirstLook, exclude: str | None) -> SettingsDraft:
    """The draft as the owner answers."""
    from nightschool.stages.settings_draft import draft  # lazy: numpy

    while True:
        kinds = click.prompt(
            "Kinds to list: all, none, or names with commas (-NAME leaves one out)", default="all"
        )
        patterns = exclude or "all"
        if found.exclude and exclude is None:
            patterns = click.prompt("Files to leave out: all, none, or some of them", default="all")
        try:
            return draft(found, kinds, patterns)
        except ConfigError as error:
            click.echo(str(error))


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
