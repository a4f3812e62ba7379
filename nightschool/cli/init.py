"""`init`."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import click

from nightschool.cli.kind_questions import propose_additions, propose_settings
from nightschool.cli.options import given_school
from nightschool.cli.trust_question import accept, require_trust
from nightschool.config import files
from nightschool.config.errors import NightschoolError, RequestError
from nightschool.config.file_systems import SYNCHRONISED, check_file_system, synchronised_by
from nightschool.config.notes_settings import NotesSettings
from nightschool.config.paths import School
from nightschool.config.presets import DEFAULT_PRESET, PRESETS
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template

# A folder with fewer text files, a README say, is not taken for notes.
_FEWEST_FILES = 5
_MOST_ENTRIES = 2000


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--notes",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Folder, JSONL or CSV file with the notes (default: FOLDER/notes); may be given several times.",
)
@click.option("--base", help='Base model: a hub name, a folder, or "demo".')
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default=DEFAULT_PRESET,
    show_default=True,
    help="Set of values for an 8 GB GPU or for a CPU.",
)
@click.option(
    "--kinds",
    metavar="NAMES",
    help='Kinds to list, separated by commas: of those proposed, or others; -NAME leaves one out; "all" '
    '(the default) or "none".',
)
@click.option(
    "--exclude",
    metavar="PATTERNS",
    help='Of the proposed patterns for notes.exclude, those to list; "all" (the default) or "none".',
)
@click.option(
    "--update", is_flag=True, help="Add what is proposed to the settings of a school that exists."
)
def init_command(
    folder: Path | None,
    notes: tuple[Path, ...],
    base: str | None,
    preset: str,
    kinds: str | None,
    exclude: str | None,
    update: bool,
) -> None:
    """Create a new school: a folder with its settings.

    FOLDER (default: that of --school, else the current folder) gets a nightschool.toml that lists and
    explains every setting.

    If there are notes already, init looks at them first. It shows their folders, properties and tags, and
    proposes which of these are kinds, with other spellings as aliases. At a terminal it asks; elsewhere the
    proposal is written as it is. You can edit it at any time.
    """
    given = given_school()
    if folder and given and folder.resolve() != given.resolve():
        raise click.UsageError(f"FOLDER is {folder} and --school is {given}: give only one of them")
    school = School((folder or given or Path()).resolve())
    if school.settings_file.exists():
        if not update:
            raise RequestError(
                f"{school.settings_file} exists already",
                "nothing was changed; `nightschool init --update` adds what it proposes for the notes",
            )
        if notes or base:
            raise RequestError("--update keeps notes and base", "change them in nightschool.toml")
        _update(school, kinds, exclude)
        return
    if update:
        raise RequestError(f"{school.root} is not a school", "leave out --update to create one")
    if school.root.exists() and not school.root.is_dir():
        raise RequestError(
            f"{school.root} is a file", "give a folder for the school, and the file with --notes"
        )
    from nightschool.notes.notes_places import check_apart, notes_places  # lazy: yaml

    values: dict[str, Any] = {"preset": preset}
    if base:
        is_folder = base != "demo" and Path(base).is_dir()
        values["base"] = _as_setting(Path(base), school) if is_folder else base
    folders = [_as_setting(place, school) for place in _places_of_notes(school, notes)]
    values["notes"] = {"folder": folders if len(folders) > 1 else folders[0]}
    places = notes_places(school.root, NotesSettings.model_validate(values["notes"]))
    check_apart(places)
    there = all(place.path.exists() for place in places)
    draft = propose_settings(places, kinds, exclude) if there else None
    if draft:
        values["notes"] |= draft.notes
        values["kinds"] = {name: each.model_dump() for name, each in draft.kinds.items()}
    _write(school, template(values, draft.remarks if draft else {}))
    accept(school)
    _say_what_is_next(
        school, None if there else places[0].path, not there or bool(draft and draft.kinds)
    )


def _say_what_is_next(school: School, missing: Path | None, can_run: bool) -> None:
    click.echo(f"created a school in {school.root}")
    if program := synchronised_by(school.root):
        click.echo(f"note: {program} {SYNCHRONISED}")
    if missing:
        click.echo(f"put your notes into {missing}, in one sub-folder per kind")
    there = "" if school.root == Path.cwd() else "in that folder, "
    run = ", then `nightschool run --now`" if can_run else ""
    click.echo(f"next: {there}`nightschool doctor`{run}")


def _places_of_notes(school: School, notes: tuple[Path, ...]) -> list[Path]:
    """Where the notes are or will be. Raises UsageError if a given place has none."""
    from nightschool.notes.folder_scan import TABLE_SUFFIXES, NoteFile, scan  # lazy: yaml

    for place in notes:
        if not place.exists():
            raise click.UsageError(
                f"{place} does not exist: give the folder, JSONL or CSV file that holds your notes"
            )
        if not place.is_dir() and place.suffix.lower() not in TABLE_SUFFIXES:
            raise click.UsageError(
                f"{place} is a single file: give its folder, or a JSONL or CSV file"
            )
    if notes:
        return [place.resolve() for place in notes]
    usual = school.root / "notes"
    if usual.exists() or not school.root.is_dir():
        return [usual]
    from nightschool.notes.exclusion import Exclusion  # lazy: pathspec

    entries = islice(scan(str(school.root), Exclusion()), _MOST_ENTRIES)
    found = sum(isinstance(each, NoteFile) for each in entries)
    return [school.root if found >= _FEWEST_FILES else usual]


def _update(school: School, kinds: str | None, exclude: str | None) -> None:
    """Add what is proposed to the settings of a school; what you have set stays."""
    from nightschool.config.settings_edit import with_additions  # lazy: tomlkit

    require_trust(school)
    added = propose_additions(school, load(school.settings_file), kinds, exclude)
    if not added:
        return
    # Read now: the owner may have edited it since.
    text = files.read(school.settings_file).decode("utf-8-sig")
    name = str(school.settings_file)
    _write(school, with_additions(text, name, added.kinds, added.remarks, added.notes))
    click.echo(f"added to {school.settings_file}; the next new run uses it")


def _write(school: School, text: str) -> None:
    try:
        school.root.mkdir(parents=True, exist_ok=True)
        check_file_system(school.root)
        files.rewrite(school.settings_file, text)
    except OSError as error:
        raise NightschoolError(
            f"{school.root} cannot be written: {error.strerror}",
            "give a folder that you may write to",
        ) from None


def _as_setting(path: Path, school: School) -> str:
    """A path as the settings hold it: relative inside the school, so that the school can be copied."""
    full = path.resolve()
    inside = full.is_relative_to(school.root)
    return (full.relative_to(school.root) if inside else full).as_posix()
