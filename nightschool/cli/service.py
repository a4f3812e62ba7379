"""`service`: install, uninstall, status."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.errors import ConfigError, ServiceError
from nightschool.config.settings_file import load
from nightschool.jobs.service import installation
from nightschool.jobs.service.backends import system_backends, usable_backend
from nightschool.jobs.service.installation import FileState, InstalledService
from nightschool.jobs.service.worker_command import WorkerCommand, check_start, worker_command_for

_RESULTS = {
    FileState.NEW: "installed",
    FileState.CHANGED: "installed again, because the file has changed",
    FileState.SAME: "already installed, with the same file",
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
    work = worker_command_for(school.root)
    try:
        backend = usable_backend()
    except ServiceError:
        if not show:
            raise
        backend = system_backends()[0]
    if show:
        click.echo(backend.render(work), nl=False)
        return
    installation.check_installable(backend, work, removable)
    file = installation.service_file(backend, work.name)
    state = installation.file_state(backend, work)
    if state is not FileState.SAME:
        replaced = ", replacing the present one" if state is FileState.CHANGED else ""
        click.echo(f"{backend.title} {file}{replaced}:\n\n{backend.render(work)}")
        if not yes and not click.confirm("Install it?"):
            click.echo("nothing was installed")
            return
        check_start(work)
    installation.install(backend, work)
    click.echo(f"{_RESULTS[state]}: {work.name}")
    click.echo(f"{backend.remark()}\nlog: {backend.log(work.name, school.root)}")


@service_command.command("uninstall")
@click.argument("name", required=False)
def uninstall_command(name: str | None) -> None:
    """Stop the worker of this school and remove its service.

    NAME removes the service of another school, as listed by `nightschool service status`; the school
    itself may be gone.
    """
    service_name = name or _name_here()
    services = [service for service in installation.installed() if service.name == service_name]
    if name and not services:
        raise click.UsageError(
            f"no service {name} is installed: `nightschool service status` lists the services"
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
        _show(row, service.backend.remark())


def _name_here() -> str:
    return WorkerCommand(current_school(only_read=True, ledger_needed=False).root, Path()).name


def _row(service: InstalledService, here: str) -> ServiceRow:
    return ServiceRow(
        name=service.name,
        kind=service.backend.title,
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
