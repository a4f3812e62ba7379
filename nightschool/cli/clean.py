"""`clean`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from nightschool.cli.options import as_json, confirm, current_school, dry_run, print_json, yes
from nightschool.config import files
from nightschool.config.settings_file import load
from nightschool.jobs.pruning import PrunedPart, prunable_parts, prune, prune_caches
from nightschool.jobs.storage_use import StoredPart, storage_use
from nightschool.ledger.ledger import Ledger

_GROUPS = {
    "runs": "runs: results, reports, logs, checkpoints",
    "models": "models",
    "datasets": "datasets",
    "quantised": "quantised bases (a cache)",
}
_SHOWN = 5


@click.command("clean")
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    help="Ended runs that keep their model, dataset and checkpoints; 0: all. Default: storage.keep_runs.",
)
@dry_run
@yes
@as_json
def clean_command(keep: int | None, dry: bool, yes_: bool, json_: bool) -> None:
    """Show what takes room, and delete what is not needed.

    The worker does the same after each stage, without a question. Results and reports always stay, as do
    the models that can be rolled back to and everything of an unfinished run.
    """
    school = current_school()
    kept = load(school.settings_file).storage.keep_runs if keep is None else keep
    with Ledger(school.ledger_file) as ledger:
        use, parts = storage_use(school), prunable_parts(school, ledger, kept)
        if not json_:
            _show(use, parts)
        pruned: list[PrunedPart] = []
        if parts and not dry and confirm("delete them?", yes_, json_):
            files.clean(school.state)
            pruned = [*prune(school, ledger, kept), *prune_caches(school, ledger)]
            if not json_:
                click.echo(f"deleted: {size_text(sum(part.bytes for part in pruned))}")
    if json_:
        print_json(
            {
                "use": [asdict(part) for part in use],
                "keep": kept,
                "prunable": [asdict(part) for part in parts],
                "pruned": [asdict(part) for part in pruned],
            }
        )


def _show(use: Sequence[StoredPart], parts: Sequence[PrunedPart]) -> None:
    click.echo(f"{size_text(sum(part.bytes for part in use)):>9}  in all")
    for group, title in _GROUPS.items():
        of_group = [part for part in use if part.path.startswith(f"{group}/")]
        click.echo(f"{size_text(sum(part.bytes for part in of_group)):>9}  {title}")
        largest = sorted(of_group, key=lambda part: -part.bytes)
        for part in largest[:_SHOWN]:
            click.echo(f"{'':>11}{size_text(part.bytes):>9}  {part.path}")
        if rest := largest[_SHOWN:]:
            click.echo(f"{'':>11}{size_text(sum(p.bytes for p in rest)):>9}  {len(rest)} others")
    other = sum(part.bytes for part in use if part.path.split("/")[0] not in _GROUPS)
    click.echo(f"{size_text(other):>9}  ledger and others")
    if not parts:
        click.echo("nothing can be deleted")
        return
    click.echo("\nnot needed:")
    for pruned in parts:
        click.echo(f"{size_text(pruned.bytes):>9}  {pruned.path} ({pruned.reason})")
    click.echo(f"{size_text(sum(part.bytes for part in parts)):>9}  in all")


def size_text(size: float) -> str:
    """Bytes in words, such as "12.3 MB"."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
