"""What a child process performs: a stage of a run, or a query of the command line or of the worker."""

from __future__ import annotations

from nightschool.learning import libraries
from nightschool.ledger.outcomes import Outcome
from nightschool.ledger.records import StageName
from nightschool.stages.child_jobs import (
    ChildJob,
    ClassifyJob,
    NoteChangesJob,
    PlanJob,
    ProbeJob,
    StageJob,
)
from nightschool.stages.endings import Ending
from nightschool.stages.note_changes import changes_since
from nightschool.stages.parent import Parent

_HEAVY_STAGES = (StageName.BASELINE, StageName.EVALUATE)
"""Stages that load the libraries first; `train` checks first whether its device is free."""


def perform(job: ChildJob, parent: Parent) -> Ending:
    """Perform a job; errors are the caller's to turn into an ending."""
    if isinstance(job, ClassifyJob | PlanJob) or (
        isinstance(job, StageJob) and job.stage in _HEAVY_STAGES
    ):
        libraries.load()
    match job:
        case StageJob():
            from nightschool.stages.run_stage import run_stage  # lazy: torch

            return run_stage(job.school, job.run, job.stage, parent)
        case ClassifyJob():
            from nightschool.stages.classification import classify  # lazy: torch

            classify(job.school, job.run, job.notes, job.abstain, parent)
            return Ending(Outcome.FINISHED)
        case NoteChangesJob():
            changes = changes_since(job.school, job.settings, job.run, job.fingerprint)
            return Ending(Outcome.FINISHED, result=changes)
        case PlanJob():
            from nightschool.stages.run_plan import plan  # lazy: torch

            return Ending(Outcome.FINISHED, result=plan(job.school, job.settings))
        case ProbeJob():
            from nightschool.learning.probe import probe  # lazy: torch

            return Ending(Outcome.FINISHED, result=probe(job.school, job.settings))
