"""Following a run: its log lines as they arrive, and a progress bar for the current stage."""

from __future__ import annotations

import time
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from nightschool.config.paths import School
from nightschool.config.terminal_console import TerminalConsole, shown
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import Event, Stage, StageState

_STYLES = {"warning": "yellow", "error": "bold red", "choice": "dim", "state": ""}
# Without a terminal, a line this often replaces the progress bar.
_PLAIN_EVERY_S = 15.0


class Follower:
    """Shows one run; call `poll` a few times a second."""

    def __init__(self, school: School, run: int, console: TerminalConsole, after: int = 0) -> None:
        """Show the log lines with an id above `after`."""
        self._ledger = Ledger(school.ledger_file, writes=False)
        self._run = run
        self._last_event = after
        self._console = console
        self._last_plain_line = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[extra]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._line = self._bar.add_task("waiting", total=None, extra="")
        self._shown = shown(self._bar)

    def __enter__(self) -> Self:
        self._shown.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.poll()
        self._shown.__exit__(kind, error, trace)
        self._ledger.close()

    def poll(self) -> bool:
        """Print what is new; returns whether the run still has work to do."""
        self._ledger.refresh()
        for event in self._ledger.events(self._run, self._last_event):
            self._last_event = event.id
            self._console.print(event_line(event), soft_wrap=True)
        stages = self._ledger.stages(self._run)
        self._show(next((s for s in stages if s.state == StageState.RUNNING), None))
        return self._ledger.run(self._run).open

    def _show(self, stage: Stage | None) -> None:
        # `update` would keep the total of the previous stage.
        self._bar.tasks[0].total = (stage.total_steps or None) if stage else None
        if stage is None:
            paused = self._ledger.control().paused
            text = "paused: `nightschool resume` continues" if paused else "waiting"
            self._bar.update(self._line, description=text, completed=0, extra="")
            return
        details = stage_details(stage)
        self._bar.update(self._line, description=stage.name, completed=stage.step, extra=details)
        due = time.monotonic() - self._last_plain_line > _PLAIN_EVERY_S
        if due and not self._console.is_terminal:
            self._last_plain_line = time.monotonic()
            if stage.total_steps:
                progress = f"{stage.step}/{stage.total_steps}"
                self._console.print(f"         {stage.name} {progress}  {details}")


def event_line(event: Event) -> Text:
    """One styled log line."""
    at = datetime.fromtimestamp(event.at).strftime("%H:%M:%S")
    style = _STYLES.get(event.kind, "")
    # "train done" and "train: paused" name their stage themselves; "training notes = ..." does not.
    named = event.stage is None or event.message.split(" ", 1)[0].rstrip(":") == event.stage
    stage = "" if named else f"{event.stage}: "
    return Text.assemble((at, "dim"), " ", (stage + event.message, style))


def stage_details(stage: Stage) -> str:
    """Loss and time left, if they are known."""
    loss = f"loss {stage.loss:.3f}" if stage.loss is not None else ""
    left = f"ETA {duration(stage.eta_s)}" if stage.eta_s is not None else ""
    return "  ".join(filter(None, (loss, left)))


def duration(seconds: float) -> str:
    """1:02 for minutes and seconds, 3:10:00 with hours."""
    minutes, seconds_left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"
