"""`init`."""

from __future__ import annotations

from pathlib import Path

import click

from nightschool.cli.options import given_school
from nightschool.cli.trust_question import accept
from nightschool.config import files
from nightschool.config.errors import NightschoolError
from nightschool.config.file_systems import SYNCHRONISED, check_file_system, synchronised_by
from nightschool.config.paths import School
from nightschool.config.presets import DEFAULT_PRESET, PRESETS
from nightschool.config.settings_template import template


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--notes",
    type=click.Path(path_type=Path),
    help="Folder, JSONL or CSV file with the notes (default: FOLDER/notes).",
)
@click.option("--base", help='Base model: a hub name, a folder, or "demo".')
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default=DEFAULT_PRESET,
    show_default=True,
    help="Set of values for an 8 GB GPU or for a CPU.",
)
def init_command(folder: Path | None, notes: Path | None, base: str | None, preset: str) -> None:
    """Create a new school: a folder with its settings.

    FOLDER (default: that of --school, else the current folder) gets a nightschool.toml that lists and
    explains every setting.
    """
    given = given_school()
    if folder and given and folder.resolve() != given.resolve():
        raise click.UsageError(f"FOLDER is {folder} and --school is {given}: give only one of them")
    school = School((folder or given or Path()).resolve())
    if school.settings_file.exists():
        raise NightschoolError(f"{school.settings_file} exists already", "nothing was changed")
    if notes is not None and not notes.exists():
        raise click.UsageError(
            f"{notes} does not exist: give the folder, JSONL or CSV file that holds your notes"
        )
    values: dict[str, object] = {"preset": preset}
    if base:
        is_folder = base != "demo" and Path(base).is_dir()
        values["base"] = _as_setting(Path(base), school) if is_folder else base
    values["notes"] = {"folder": "notes" if notes is None else _as_setting(notes, school)}
    try:
        school.root.mkdir(parents=True, exist_ok=True)
        check_file_system(school.root)
        files.rewrite(school.settings_file, template(values))
    except OSError as error:
        raise NightschoolError(
            f"{school.root} cannot be written: {error.strerror}",
            "give a folder that you may write to",
        ) from None
    accept(school)
    click.echo(f"created a school in {school.root}")
    if program := synchronised_by(school.root):
        click.echo(f"note: {program} {SYNCHRONISED}")
    if notes is None:
        click.echo(f"put your notes into {school.root / 'notes'}, in one sub-folder per kind")
    there = "" if school.root == Path.cwd() else "in that folder, "
    click.echo(f"next: {there}`nightschool doctor`, then `nightschool run --now`")


def _as_setting(path: Path, school: School) -> str:
    """A path as the settings hold it: relative inside the school, so that the school can be copied."""
    full = path.resolve()
    inside = full.is_relative_to(school.root)
    return (full.relative_to(school.root) if inside else full).as_posix()
