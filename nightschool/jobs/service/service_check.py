"""`doctor`'s check of the services: a school or its Python may have been moved since the installation."""

from __future__ import annotations

from pathlib import Path

from nightschool.config.paths import School
from nightschool.jobs.service.installation import installed
from nightschool.jobs.service.worker_command import WorkerCommand
from nightschool.tasks.health_checks import HealthCheck, HealthVerdict

_INSTALL = "`nightschool service install`"


def check_services(school: School) -> HealthCheck:
    """Whether a service starts this school's worker, or one that starts nothing any more is installed."""
    services = installed()
    here = WorkerCommand(school.root, Path()).name
    for service in services:
        if not (reasons := service.stale()):
            continue
        finding = f"{service.name} no longer works: {' and '.join(reasons)}"
        if service.name == here:
            return HealthCheck("service", finding, HealthVerdict.WARNING, _INSTALL)
        remedy = f"`nightschool service uninstall {service.name}`"
        if not any(other.name == here for other in services):
            remedy += f"; if that school was moved here, also {_INSTALL}"
        return HealthCheck("service", finding, HealthVerdict.WARNING, remedy)
    is_installed = any(service.name == here for service in services)
    finding = (
        f"{here} starts the worker at login"
        if is_installed
        else f"none starts the worker at login; {_INSTALL} adds one"
    )
    return HealthCheck("service", finding, HealthVerdict.OK)
