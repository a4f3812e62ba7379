"""`plan`."""

from __future__ import annotations

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.settings_file import load
from nightschool.stages.run_estimate import MemoryEstimate, NoteCounts
from nightschool.tasks.child_queries import ask_to_plan


@click.command("plan")
@as_json
def plan_command(json_: bool) -> None:
    """Estimate the memory and the time that a run needs.

    Shows the device, the notes, the memory by item and the time. Nothing is queued and no weights are
    loaded. The time is known after a first run with this base model on this device.
    """
    school = current_school()
    estimate = ask_to_plan(school, load(school.settings_file))
    if json_:
        print_json(estimate.model_dump(mode="json"))
        return
    for choice in estimate.chosen:
        click.echo(f"{choice.name} = {choice.value} ({choice.reason})")
    click.echo(_notes_line(estimate.notes))
    _show_memory(estimate.memory)
    time = estimate.time
    if time is None:
        click.echo("time: not measured yet; the first three steps of a run measure it")
        return
    click.echo(f"time, estimated from earlier runs on this device: {time.text}")
    for line in time.advice:
        click.echo(line)


def _notes_line(notes: NoteCounts) -> str:
    cut = f"{notes.cut} of them cut at {notes.max_tokens}" if notes.cut else "none cut"
    return (
        f"notes: {notes.read} read, {notes.without_kind} without a kind, {notes.skipped} "
        f"skipped; {notes.train} to train on, with {notes.tokens:,} tokens ({cut}; the longest has "
        f"{notes.longest}) after a prompt of {notes.prompt_tokens}"
    )


def _show_memory(memory: MemoryEstimate) -> None:
    from rich.table import Table  # lazy: rich

    from nightschool.config.terminal_console import TerminalConsole  # lazy: rich

    device = "GPU memory" if memory.limited else "memory"
    batch = f"{memory.budget} tokens per micro-batch"
    click.echo(f"{device}, with {batch} and {memory.recomputed} layers recomputed:")
    table = Table()
    table.add_column("at the peak")
    table.add_column("MB", justify="right")
    for item, size in memory.items.items():
        table.add_row(item, _megabytes(size))
    table.add_section()
    table.add_row("total", _megabytes(memory.total), style="bold")
    if memory.room is not None:
        available = "available" if memory.limited else "free now"
        table.add_row(available, _megabytes(memory.room))
    TerminalConsole().print(table)
    if not memory.limited:
        click.echo("this device has no memory limit, so the plan does not depend on it")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}" if size < 10_000_000 else f"{size / 1e6:,.0f}"
