"""Runs a stage, or one chunk of it, in a child process.

A stage reads files and writes files. It ends by writing its result to `runs/N/STAGE.json`: a stage
whose result is there is done, whichever process dies afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nightschool.config.errors import ConfigError
from nightschool.config.paths import School
from nightschool.config.settings import recorded
from nightschool.config.trusted_schools import with_reach_of_file
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import StageName
from nightschool.stages.baseline import baseline
from nightschool.stages.context import StageContext
from nightschool.stages.endings import Ending
from nightschool.stages.evaluate import evaluate
from nightschool.stages.parent import Parent
from nightschool.stages.prep import prep
from nightschool.stages.stage_artifacts import artifacts_of
from nightschool.stages.train import train
from nightschool.stats.stage_results import (
    BaselineResult,
    CompareResult,
    EvaluateResult,
    PrepResult,
    StageResult,
    TrainResult,
    read_whole,
    write_record,
)

StageFunction = Callable[[StageContext], StageResult | Ending]
"""Returns the stage's result, or the ending of a chunk after which the stage continues."""

RESULTS: Mapping[StageName, type[StageResult]] = {
    kind.stage: kind
    for kind in (PrepResult, BaselineResult, TrainResult, EvaluateResult, CompareResult)
}


def stage_function(stage: StageName) -> StageFunction:
    """The function that performs a stage."""
    match stage:
        case StageName.PREP:
            return prep
        case StageName.BASELINE:
            return baseline
        case StageName.TRAIN:
            return train
        case StageName.EVALUATE:
            return evaluate
        case StageName.COMPARE:
            from nightschool.stages.compare import compare  # lazy: scipy

            return compare


def run_stage(school: School, run: int, stage: StageName, parent: Parent) -> Ending:
    """Run a stage or one chunk of it; a stage that is already done returns its recorded result."""
    with Ledger(school.ledger_file) as ledger:
        queued = recorded(ledger.run(run).settings)
    try:
        settings = with_reach_of_file(school, queued)
    except ConfigError as error:
        return Ending(Outcome.LOST, str(error))  # it is being edited, perhaps: tried again
    context = StageContext(school, run, settings, parent)
    file = context.folder / f"{stage}.json"
    # There is one already if the worker died before it recorded the end.
    result = read_whole(file, RESULTS[stage], parent.say)
    if result is None:
        done = stage_function(stage)(context)
        if isinstance(done, Ending):
            return done
        write_record(file, done)
        result = done
    return Ending(Outcome.FINISHED, result=result, artifacts=artifacts_of(context, stage))
