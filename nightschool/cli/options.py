"""What the commands share: the school they speak of, and how they print."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nightschool.config.paths import School, find_school


def current_school() -> School:
    """The school that the command line names; raises ConfigError where there is none."""
    given = click.get_current_context().find_root().obj
    assert given is None or isinstance(given, Path)
    return find_school(given)


def print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


as_json = click.option("--json", "json_", is_flag=True, help="Print JSON for other programs.")
