"""The `nightschool` command: a group that imports the module of a command only when it is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import click

from nightschool.config.errors import NightschoolError, system_line
from nightschool.config.files import NOT_YOURS, denied, no_room
from nightschool.config.printable_stream import print_printable


@dataclass(frozen=True, slots=True)
class Verb:
    """A command: the module of this package that defines it, and the first line of its help."""

    module: str
    summary: str


# In the order of the help page. The summaries are repeated here because importing every command
# would delay the help page by half a second; a test keeps them equal.
VERBS = {
    "init": Verb("init", "Create a new school: a folder with its settings."),
    "trust": Verb("trust", "Accept a school that was made elsewhere, or by an earlier version."),
    "doctor": Verb("doctor", "Check everything that a run needs."),
    "notes": Verb("notes", "Show an inventory of the notes, and what looks wrong with them."),
    "label": Verb("label", "Label unclear notes, one key per note."),
    "plan": Verb("plan", "Estimate the memory and the time that a run needs."),
    "run": Verb("run", "Queue a whole run: prep, baseline, train, evaluate, compare."),
    "prep": Verb("stage_verbs", "Freeze the notes into a dataset."),
    "baseline": Verb("stage_verbs", "Score the untouched base model on the test notes."),
    "train": Verb("stage_verbs", "Train the adapter, from its last checkpoint if there is one."),
    "evaluate": Verb("stage_verbs", "Score the adapter on the test notes."),
    "compare": Verb("stage_verbs", "Compare before and after, decide, and write the report."),
    "work": Verb("work", "Run the worker in the foreground until Ctrl-C."),
    "service": Verb("service", "Start the worker at login: install, uninstall, status."),
    "status": Verb("status", "Show the runs, the worker and the plan for tonight."),
    "why": Verb("why", "Explain why a run works or waits."),
    "log": Verb("log", "Show the log of a run."),
    "pause": Verb("pause", "Pause all work; a checkpoint keeps the progress."),
    "resume": Verb("pause", "Resume work after a pause."),
    "cancel": Verb("cancel", "Cancel a run."),
    "retry": Verb("cancel", "Queue a failed or cancelled run again."),
    "report": Verb("report", "Show the before/after report of a run."),
    "models": Verb("models", "List the trained models and the one in use."),
    "promote": Verb("promote", "Use the model of a run for `classify`."),
    "rollback": Verb("promote", "Return to the model that was in use before."),
    "classify": Verb("classify", "Classify notes with the model in use."),
    "clean": Verb("clean", "Show what takes room, and delete what is not needed."),
    "repair": Verb("repair", "Find damaged files, and make them again where that is possible."),
    "forget": Verb("forget", "Erase what the school holds of deleted notes."),
    "demo": Verb("demo", "Run all stages in minutes, on a CPU, without a download."),
}


class _Failure(click.ClickException):
    """An error of the program, shown as one line."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"nightschool: {self.message}", file=file, err=file is None)


class _UsageFailure(_Failure):
    exit_code = 2


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module = importlib.import_module(f"nightschool.cli.{verb.module}")
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # click ends quietly, as for `nightschool log | head`
            if ctx.params["debug"]:
                traceback.print_exc()
            code, line = _explained(error)
            raise (_UsageFailure if code == 2 else _Failure)(line) from error


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--school",
    type=click.Path(path_type=Path),
    help="The school's folder. Default: NIGHTSCHOOL_SCHOOL, else the current folder or the nearest "
    "one above it that is a school.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="nightschool")
@click.pass_context
def cli(context: click.Context, school: Path | None, debug: bool) -> None:
    """Train a small private model on your notes, overnight, on your own computer."""
    context.obj = school


def main() -> NoReturn:
    """Run the command line; every expected error is one line and exit code 1 or 2."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A Japanese Windows console may still use cp932, and notes may hold any character.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    print_printable()
    try:
        code = cli.main(prog_name="nightschool", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


def _open_closed_streams() -> None:
    """Replace the streams that the caller closed; else the next opened file would take their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _explained(error: Exception) -> tuple[int, str]:
    """The exit code and the one line that a failure prints."""
    if isinstance(error, NightschoolError):
        return error.exit_code, str(error)
    if isinstance(error, OSError) and no_room(error):
        file = f"{error.filename} cannot be written: " if error.filename else ""
        return 1, f"{file}{error.strerror}"
    if isinstance(error, OSError) and denied(error) and error.filename:
        unreadable = os.path.exists(error.filename) and not os.access(error.filename, os.R_OK)
        verb = "read" if unreadable else "written"
        return 2, f"{error.filename} cannot be {verb}: {error.strerror}; {NOT_YOURS}"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return 1, "too many files are open: close other programs, or raise the limit (`ulimit -n`)"
    if isinstance(error, OSError) and error.strerror:
        return 1, system_line(error)
    if isinstance(error, MemoryError) or _no_memory(error):
        return 1, "there is not enough memory: close other programs, or raise the limit"
    return 1, f"unexpected {type(error).__name__}: {error} (--debug shows the traceback)"


def _no_memory(error: Exception) -> bool:
    """Whether a library could not be loaded, or a thread not be started, because memory is short."""
    signs = (
        "map segment",
        "annot allocate memory",
        "can't start new thread",
    )  # glibc's and Python's
    return isinstance(error, ImportError | RuntimeError) and any(s in str(error) for s in signs)
