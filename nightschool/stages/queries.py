"""What a child process can be asked to do: one stage of a run, classify notes, look at the notes, plan a
run, or probe the device."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning import libraries
from nightschool.stages.parent import Parent

Ending = dict[str, Any]

HEAVY = ("baseline", "evaluate", "classify", "plan")
"""Stages and jobs that begin with the libraries; `train` first sees whether its device is free."""


def stage_job(school: School, run: int, stage: str) -> dict[str, object]:
    return {"job": "stage", "school": str(school.root), "run": run, "stage": stage}


def perform(job: Mapping[str, Any], parent: Parent) -> Ending:
    """Do a job; returns its ending: `outcome`, `reason`, and `result` where it finished."""
    if job.get("stage", job["job"]) in HEAVY:
        libraries.load()
    if job["job"] == "stage":
        from nightschool.stages.prep import run_stage

        return run_stage(School(Path(job["school"])), job["run"], job["stage"], parent)
    if job["job"] == "classify":
        from nightschool.stages.classification import classify

        school = School(Path(job["school"]))
        return classify(school, job["run"], job["notes"], job["abstain"], parent)
    school, settings = School(Path(job["school"])), Settings.model_validate(job["settings"])
    if job["job"] == "look":
        from nightschool.stages.note_changes import look

        return {"outcome": "finished", "result": look(school, settings, job["run"], job["seen"])}
    if job["job"] == "plan":
        from nightschool.stages.run_plan import plan

        return {"outcome": "finished", "result": plan(school, settings)}
    from nightschool.learning.probe import probe

    return {"outcome": "finished", "result": probe(school, settings)}
