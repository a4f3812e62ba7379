"""`prep`, `baseline`, `train`, `evaluate`, `compare`: one stage of the newest run."""

from __future__ import annotations

import click

from nightschool.cli.foreground import work_or_watch
from nightschool.cli.options import current_school
from nightschool.cli.progress import progress_bar
from nightschool.cli.run import detach_option, new_option
from nightschool.config.settings_file import load
from nightschool.jobs.requests import request_stage
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName


def _command(stage: StageName, summary: str) -> click.Command:
    """The command for a stage; `summary` is the first line of its help."""

    @click.command(
        stage.value,
        help=f"{summary}\n\nWorks on the newest run, after any earlier stages that are not done yet.",
    )
    @new_option
    @detach_option
    def command(new: bool, detach: bool) -> int:
        school = current_school()
        settings = load(school.settings_file)
        with Ledger(school.ledger_file) as ledger, progress_bar() as on_progress:
            run, done = request_stage(
                ledger, school, settings, stage, new=new, on_progress=on_progress
            )
        if done:
            click.echo(
                f"{stage} of run {run.id} is done already: `nightschool {stage} --new` starts a new run"
            )
            return 0
        if detach:
            click.echo(f"{stage} of run {run.id} is queued")
            return 0
        return work_or_watch(school, settings, run.id)

    return command


prep_command = _command(StageName.PREP, "Freeze the notes into a dataset.")
baseline_command = _command(StageName.BASELINE, "Score the untouched base model on the test notes.")
train_command = _command(
    StageName.TRAIN, "Train the adapter, from its last checkpoint if there is one."
)
evaluate_command = _command(StageName.EVALUATE, "Score the adapter on the test notes.")
compare_command = _command(
    StageName.COMPARE, "Compare before and after, decide, and write the report."
)
