"""`init`, `doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.config.settings_template import template


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--notes", type=click.Path(path_type=Path), help="Where the notes are (default: FOLDER/notes)."
)
@click.option("--base", help='Base model: a hub name, a folder, or "demo".')
@click.option(
    "--preset", type=click.Choice(["rtx-8gb", "cpu-demo"]), default="rtx-8gb", show_default=True
)
def init_command(folder: Path, notes: Path | None, base: str | None, preset: str) -> None:
    """Make a new school in FOLDER (default: here) with its commented settings."""
    school = School(folder.resolve())
    if school.settings_file.exists():
        raise click.ClickException(f"{school.settings_file} exists already: nothing was changed")
    if notes is not None and not notes.exists():
        raise click.UsageError(
            f"there is nothing at {notes}: give the folder (or JSONL, CSV) with your notes"
        )
    values: dict[str, object] = {"preset": preset}
    if base:
        values["base"] = (
            base if base == "demo" or not Path(base).is_dir() else _written(Path(base), school)
        )
    values["notes"] = {"folder": "notes" if notes is None else _written(notes, school)}
    text = template(values)
    try:
        school.root.mkdir(parents=True, exist_ok=True)
        school.settings_file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise click.ClickException(f"{school.root}: {error.strerror}") from None
    click.echo(f"a new school in {school.root}")
    if notes is None:
        click.echo(f"put your notes into {school.root / 'notes'}, a sub-folder for each kind")
    there = "" if school.root == Path.cwd() else "there, "
    click.echo(f"next: {there}`nightschool doctor`, then `nightschool run --now`")


def _written(path: Path, school: School) -> str:
    """A path as the settings keep it: relative inside the school, so that it can be copied."""
    full = path.resolve()
    inside = full.is_relative_to(school.root)
    return (full.relative_to(school.root) if inside else full).as_posix()


@click.command("doctor")
@as_json
def doctor_command(json_: bool) -> int:
    """Check everything that a run needs, and say what to do."""
    from nightschool.tasks.health_checks import examine

    school = current_school()
    marks = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}
    findings = []
    for finding in examine(school, load(school.settings_file)):
        findings.append(finding)
        if not json_:
            remedy = f"\n{'':21}-> {finding.remedy}" if finding.remedy else ""
            click.echo(
                f"{finding.check:<10} {marks[finding.verdict]:<8}  {finding.finding}{remedy}"
            )
    if json_:
        print_json([asdict(finding) for finding in findings])
    return int(any(finding.verdict == "problem" for finding in findings))
