"""The `nightschool` command: a group whose commands are imported only when they are called."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from nightschool.config.errors import NightschoolError
from nightschool.config.files import NOT_YOURS, denied, no_room

# name -> the module in this package that holds it; in the order of the help page
COMMANDS = {
    "init": "init",
    "doctor": "init",
    "notes": "notes",
    "label": "label",
    "plan": "plan",
    "run": "run",
    "prep": "run",
    "baseline": "run",
    "train": "run",
    "evaluate": "run",
    "compare": "run",
    "work": "work",
    "service": "service",
    "status": "status",
    "why": "why",
    "log": "status",
    "pause": "pause",
    "resume": "pause",
    "cancel": "pause",
    "retry": "pause",
    "report": "report",
    "models": "report",
    "promote": "report",
    "rollback": "report",
    "classify": "classify",
    "demo": "demo",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        imported = importlib.import_module(f"nightschool.cli.{module}")
        command = getattr(imported, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # One import of every command would cost the help page half a second.
        with formatter.section("Commands"):
            formatter.write_dl(list(_SUMMARIES.items()))


_SUMMARIES = {
    "init": "Make a new school: a folder with its settings.",
    "doctor": "Check everything that a run needs, and say what to do.",
    "notes": "Take stock of the notes: kinds, lengths, copies, wrong labels.",
    "label": "Decide on single notes: near no kind, or likely mislabelled.",
    "plan": "Say what a run would need and take: memory by item, time.",
    "run": "Queue a whole run: prep, baseline, train, evaluate, compare.",
    "prep": "Freeze the notes into a dataset (of the newest run).",
    "baseline": "Score the untouched base model on the test notes.",
    "train": "Train the adapter, from the last checkpoint if there is one.",
    "evaluate": "Score the adapter on the test notes.",
    "compare": "Compare before and after, decide, and write the report.",
    "work": "Work on what is queued, in the foreground, until stopped.",
    "service": "Start the worker with your session: install, uninstall, status.",
    "status": "Show the runs, what happens now, the plan for the night.",
    "why": "Say why work goes on, or why it does not.",
    "log": "Show what a run did.",
    "pause": "Stop working at the next step, until `resume` or for a time.",
    "resume": "Go on after a pause.",
    "cancel": "End a run for good.",
    "retry": "Queue a failed or cancelled run again, from where it ended.",
    "report": "Show the before/after report of a run.",
    "models": "List the trained models and which one is in use.",
    "promote": "Use the model of a run for `classify`.",
    "rollback": "Use the model that was in use before the last promotion.",
    "classify": "Sort notes with the model in use.",
    "demo": "The whole way in minutes, on a CPU, without a download.",
}


@click.group(
    cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--school",
    type=click.Path(path_type=Path),
    help="The school's folder; else NIGHTSCHOOL_SCHOOL, else the current folder or one above.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="nightschool")
@click.pass_context
def cli(context: click.Context, school: Path | None, debug: bool) -> None:
    """Train a small model of your own on your notes, at night, on your own computer."""
    context.obj = school
    context.meta["debug"] = debug


def _open_closed_streams() -> None:
    """A stream that the caller closed is an empty one: else the next file would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def main() -> NoReturn:
    """Run the command line; every expected error is one line and exit code 1 or 2."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A Japanese Windows console may still be cp932; notes may hold any character.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        code = cli.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        code, line = _explained(error)
        click.echo(f"nightschool: {line}", err=True)
        sys.exit(code)


def _explained(error: Exception) -> tuple[int, str]:
    """The exit code and the one line that a failure prints."""
    if isinstance(error, NightschoolError):
        return error.exit_code, str(error)
    if isinstance(error, OSError) and no_room(error):
        file = f"{error.filename} cannot be written: " if error.filename else ""
        return 1, f"{file}{error.strerror}"
    if isinstance(error, OSError) and denied(error) and error.filename:
        there = os.path.exists(error.filename) and not os.access(error.filename, os.R_OK)
        what = f"cannot be {'read' if there else 'written'}: {error.strerror}"
        return 2, f"{error.filename} {what}; {NOT_YOURS}"
    return 1, f"unexpected {type(error).__name__}: {error} (--debug shows where)"
