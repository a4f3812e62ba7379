"""`plan`: what a run would need and take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from nightschool.cli.options import as_json, current_school, print_json
from nightschool.config.settings_file import load


@click.command("plan")
@as_json
def plan_command(json_: bool) -> None:
    """Say what a run would need and take: device, notes, memory by item, time.

    Nothing is queued and no weights are loaded. The time is known once a run on this device, with
    this base, has timed its steps.
    """
    from nightschool.tasks.child_queries import ask_to_plan

    school = current_school()
    found = ask_to_plan(school, load(school.settings_file))
    if json_:
        print_json(found)
        return
    for choice in found["chosen"]:
        click.echo(f"{choice['name']} = {choice['value']} ({choice['reason']})")
    click.echo(_notes(found["notes"]))
    _show_memory(found["memory"])
    time = found["time"]
    if time is None:
        click.echo("time: not measured yet; the first three steps of a run will tell")
        return
    click.echo(f"time, by earlier runs on this device: {time['text']}")
    for line in time["advice"]:
        click.echo(line)


def _notes(notes: Mapping[str, int]) -> str:
    cut = f"{notes['cut']} of them cut at {notes['max_tokens']}" if notes["cut"] else "none cut"
    return (
        f"notes: {notes['read']} read, {notes['without_kind']} without a kind, {notes['skipped']} "
        f"skipped; {notes['train']} to train on with {notes['tokens']:,} tokens ({cut}; the longest has "
        f"{notes['longest']}), after a prompt of {notes['prompt_tokens']}"
    )


def _show_memory(memory: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    device = "GPU memory" if memory["limited"] else "memory"
    passes = f"{memory['budget']} tokens a pass, {memory['recomputed']} layers recomputed"
    click.echo(f"{device}, with {passes}:")
    table = Table()
    table.add_column("at the peak")
    table.add_column("MB", justify="right")
    for item, size in memory["items"].items():
        table.add_row(item, _mb(size))
    table.add_section()
    table.add_row("all", _mb(memory["total"]), style="bold")
    if memory["room"] is not None:
        table.add_row("may be used" if memory["limited"] else "free now", _mb(memory["room"]))
    Console().print(table)
    if not memory["limited"]:
        click.echo("nothing limits the memory of this device: the plan does not depend on it")


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f}" if size < 10_000_000 else f"{size / 1e6:,.0f}"
