"""`service`: install, uninstall, status."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.errors import ConfigError, ServiceError
from nightschool.config.settings_file import load
from nightschool.jobs.service import installation
from nightschool.jobs.service.backends import kinds_here, usable_kind
from nightschool.jobs.service.installation import Installed
from nightschool.jobs.service.worker_command import WorkerCommand, check_start, work_of

_RESULTS = {
    "new": "installed",
    "changed": "installed again, because the file has changed",
    "same": "already installed, with the same file",
}
_RUNNING = {True: "running", False: "installed, not running", None: "installed"}


@click.group("service")
def service_command() -> None:
    """Start the worker at login: install, uninstall, status."""


@service_command.command("install")
@click.option("--yes", is_flag=True, help="Install without asking.")
@click.option("--show", is_flag=True, help="Print the service file and install nothing.")
@click.option("--removable", is_flag=True, help="Allow a school on a removable drive.")
def install_command(yes: bool, show: bool, removable: bool) -> None:
    """Start the worker of this school at every login, and now.

    Shows the service file and asks before installing it. Installing it again is harmless.
    """
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
        replaced = ", replacing the present one" if state == "changed" else ""
        click.echo(f"{kind.title} {file}{replaced}:\n\n{kind.text(work)}")
        if not yes and not click.confirm("Install it?"):
            click.echo("nothing was installed")
            return
        check_start(work)
    installation.install(kind, work)
    click.echo(f"{_RESULTS[state]}: {work.name}")
    click.echo(f"{kind.remark()}\nlog: {kind.log(work.name, school.root)}")


@service_command.command("uninstall")
@click.argument("name", required=False)
def uninstall_command(name: str | None) -> None:
    """Stop the worker of this school and remove its service.

    NAME removes the service of another school, as listed by `nightschool service status`; the school
    itself may be gone.
    """
    wanted = name or _name_here()
    services = [service for service in installation.installed() if service.name == wanted]
    if name and not services:
        raise click.UsageError(
            f"no service {name} is installed: `nightschool service status` lists them"
        )
    for service in services:
        installation.uninstall(service)
        click.echo(f"removed {service.file}")
        pid = service.worker()
        if pid is not None:
            click.echo(
                f"a worker is still running (process {pid or 'unknown'}); it ends with your session"
            )
    if not services:
        click.echo("no service is installed for this school")


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service; the fields are the keys of its JSON."""

    name: str
    kind: str
    here: bool
    """Whether it belongs to the current school."""
    file: str
    school: str | None
    python: str | None
    running: bool | None
    stale: list[str]
    log: str


@service_command.command("status")
@as_json
def status_command(json_: bool) -> None:
    """Show the services of all your schools.

    For each: whether it is running, whether it is out of date, and where its log is.
    """
    services = installation.installed()
    try:
        here = _name_here()
    except ConfigError:
        if not services:
            raise
        here = ""
    rows = [_row(service, here) for service in services]
    if json_:
        print_json([asdict(row) for row in rows])
        return
    if here and not any(row.here for row in rows):
        click.echo("no service is installed for this school: `nightschool service install` adds it")
    for service, row in zip(services, rows, strict=True):
        _show(row, service.kind.remark())


def _name_here() -> str:
    return WorkerCommand(current_school().root, Path()).name


def _row(service: Installed, here: str) -> ServiceRow:
    return ServiceRow(
        name=service.name,
        kind=service.kind.title,
        here=service.name == here,
        file=str(service.file),
        school=str(service.school) if service.school else None,
        python=str(service.python) if service.python else None,
        running=service.running(),
        stale=service.stale(),
        log=service.log(),
    )


def _show(row: ServiceRow, remark: str) -> None:
    click.echo(f"{row.name}: {_RUNNING[row.running]}{' (this school)' * row.here}")
    for reason in row.stale:
        where = " in the school's folder" if row.school else ""
        click.echo(
            f"  STALE   {reason}: run `nightschool service install`{where}, or "
            f"`nightschool service uninstall {row.name}`"
        )
    click.echo(f"  file    {row.file} ({row.kind})")
    click.echo(f"  school  {row.school or 'unknown'}")
    click.echo(f"  log     {row.log}")
    click.echo(f"  {remark}")
