"""What the commands share: finding the school and printing JSON."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nightschool.config.paths import School, find_school


def current_school() -> School:
    """The school that the command line names; raises ConfigError if there is none."""
    return find_school(given_school())


def given_school() -> Path | None:
    """The folder that --school names, whether or not it is a school."""
    given = click.get_current_context().find_root().obj
    assert given is None or isinstance(given, Path)
    return given


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    click.echo(json.dumps(value, ensure_ascii=False))


as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")
