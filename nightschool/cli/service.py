"""`service`: install, uninstall, status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.errors import ConfigError
from nightschool.config.settings_file import load

if TYPE_CHECKING:
    from nightschool.jobs.service.installation import Installed


@click.group("service")
def service_command() -> None:
    """Start the worker with your session: install, uninstall, status."""


@service_command.command("install")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--show", is_flag=True, help="Print the file, and install nothing.")
@click.option("--removable", is_flag=True, help="Also where the school's drive can be pulled out.")
def install_command(yes: bool, show: bool, removable: bool) -> None:
    """Start `nightschool work` for this school at each login, and now.

    The file is shown before it is installed. Installing twice changes nothing.
    """
    from nightschool.config.errors import ServiceError
    from nightschool.jobs.service import installation
    from nightschool.jobs.service.backends import kinds_here, usable_kind
    from nightschool.jobs.service.worker_command import check_start, work_of

    school = current_school()
    load(school.settings_file)
    work = work_of(school.root)
    try:
        kind = usable_kind()
    except ServiceError:
        if not show:
            raise
        kind = kinds_here()[0]
    if show:
        click.echo(kind.text(work), nl=False)
        return
    installation.check(kind, work, removable)
    file = installation.file_of(kind, work.name)
    state = installation.file_state(kind, work)
    if state != "same":
        other = ", in place of another that is there" if state == "changed" else ""
        click.echo(f"{kind.title} {file}{other}:\n\n{kind.text(work)}")
        if not yes and not click.confirm("Install it?"):
            click.echo("nothing was installed")
            return
        check_start(work)
    installation.install(kind, work)
    said = {
        "new": "installed",
        "changed": "installed anew: the file has changed",
        "same": "installed already, with the same file",
    }
    click.echo(f"{said[state]}: {work.name}")
    click.echo(f"{kind.remark()}\nits log: {kind.log(work.name, school.root)}")


@service_command.command("uninstall")
@click.argument("name", required=False)
def uninstall_command(name: str | None) -> None:
    """End the worker of this school's installation, and remove the service.

    NAME, as `service status` shows it, removes that of another school, also of one that is gone.
    """
    from nightschool.jobs.service import installation

    wanted = name or _name_here()
    found = [one for one in installation.installed() if one.name == wanted]
    if name and not found:
        raise click.UsageError(f"no service {name} is installed: `nightschool service status`")
    for one in found:
        installation.uninstall(one)
        click.echo(f"removed {one.file}")
        pid = one.worker()
        if pid is not None:
            click.echo(
                f"a worker still runs (process {pid or 'unknown'}); it ends with your session"
            )
    if not found:
        click.echo("no service was installed for this school")


@service_command.command("status")
@as_json
def status_command(json_: bool) -> None:
    """Show the services of your schools: installed, running, stale, and where their log is."""
    from nightschool.jobs.service import installation

    services = installation.installed()
    try:
        here = _name_here()
    except ConfigError:
        if not services:
            raise
        here = ""
    rows = [_row(one, here) for one in services]
    if json_:
        print_json(rows)
        return
    if here and not any(row["here"] for row in rows):
        click.echo("no service is installed for this school: `nightschool service install`")
    for one, row in zip(services, rows, strict=True):
        _show(row, one.kind.remark())


def _name_here() -> str:
    from nightschool.jobs.service.worker_command import WorkerCommand

    return WorkerCommand(current_school().root, Path()).name


def _row(one: Installed, here: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind.title,
        "here": one.name == here,
        "file": str(one.file),
        "school": str(one.school) if one.school else None,
        "python": str(one.python) if one.python else None,
        "running": one.running(),
        "stale": one.stale(),
        "log": one.log(),
    }


def _show(row: dict[str, Any], remark: str) -> None:
    running = {True: "running", False: "installed, not running", None: "installed"}
    click.echo(f"{row['name']}: {running[row['running']]}{' (this school)' * row['here']}")
    for reason in row["stale"]:
        again = "`service install` in the school" if row["school"] else "`service install`"
        click.echo(f"  STALE   {reason}: {again}, or `service uninstall {row['name']}`")
    click.echo(f"  file    {row['file']} ({row['kind']})")
    click.echo(f"  school  {row['school'] or 'unknown'}")
    click.echo(f"  log     {row['log']}")
    click.echo(f"  {remark}")
