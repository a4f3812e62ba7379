"""A run as its files describe it, for a ledger that is lost: `run.json`, or the results and the model card."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from nightschool.config.errors import (
    ConfigError,
    DamagedFile,
    LearningError,
    LedgerError,
    ReportError,
)
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.ledger.records import (
    STAGES,
    Answerer,
    PromotedBy,
    RunState,
    StageName,
    StageState,
    Timing,
)
from nightschool.ledger.restoring import FoundRun, check_rows
from nightschool.ledger.run_files import NAME, RunRows, read_run_file
from nightschool.notes.dataset import load as load_dataset
from nightschool.reports.report_file import read as read_report
from nightschool.stages.champion import ChampionAnswers
from nightschool.stages.exposure import fingerprint_of_test
from nightschool.stages.publish import read_card
from nightschool.stages.run_stage import RESULTS
from nightschool.stats.stage_results import (
    BaselineResult,
    CompareResult,
    EvaluateResult,
    PrepResult,
    StageResult,
    read_record,
)
from nightschool.stats.terms import Decision

_UNKNOWN = "its settings and its state are not recorded: `nightschool retry {run}` continues it"


def found_run(school: School, run: int) -> tuple[FoundRun, bool]:
    """A run from its files; and whether these tell all, or the run is from a version without `run.json`."""
    results = {result.stage: result for result in _results(school, run)}
    as_json = {stage: result.model_dump(mode="json") for stage, result in results.items()}
    try:
        rows = read_run_file(school.run_folder(run) / NAME)
        check_rows(rows, run)
        return FoundRun(rows, as_json), True
    except (OSError, ValueError, KeyError, TypeError, LedgerError):
        return FoundRun(_rows_from_results(school, run, results), as_json), False


def _results(school: School, run: int) -> Iterator[StageResult]:
    for stage in STAGES:
        with suppress(DamagedFile, LearningError):
            yield read_record(school.run_folder(run) / f"{stage}.json", RESULTS[stage])


def _rows_from_results(
    school: School, run: int, results: Mapping[StageName, StageResult]
) -> RunRows:
    """What the results of a run imply; a run that they leave unfinished is cancelled."""
    folder = school.run_folder(run)
    done = [stage for stage in STAGES if os.path.lexists(folder / f"{stage}.json")]
    whole = len(done) == len(STAGES)
    at = {stage: _changed(folder / f"{stage}.json") for stage in STAGES}
    settings = _settings(school, run)
    compared = results.get(STAGES[-1])
    if isinstance(compared, CompareResult):
        at[STAGES[-1]] = _compared_at(school, run) or at[STAGES[-1]]
    promoted = isinstance(compared, CompareResult) and compared.decision is Decision.PROMOTE
    return {
        "runs": [
            {
                "id": run,
                "created": min([*(at[stage] for stage in done), _changed(folder)]),
                "state": RunState.DONE if whole else RunState.CANCELLED,
                "goal": STAGES[-1],
                "timing": Timing.TONIGHT,
                "reason": getattr(compared, "reason", "") if whole else _UNKNOWN.format(run=run),
                "settings": json.dumps(settings, ensure_ascii=False),
            }
        ],
        "stages": [
            {
                "run": run,
                "name": stage,
                "position": position,
                "state": StageState.DONE if stage in done else StageState.WAITING,
                "finished": at[stage] if stage in done else None,
            }
            for position, stage in enumerate(STAGES)
        ],
        "promotions": [{"run": run, "at": at[STAGES[-1]], "by": PromotedBy.COMPARISON}] * promoted,
        "test_exposures": list(_exposures(school, run, results)),
        **{table: [] for table in ("prunings", "artifacts", "damaged_models")},
        **{table: [] for table in ("forgettings", "forgetting_runs")},
    }


def _settings(school: School, run: int) -> dict[str, Any]:
    """The settings of a run: in its model card, else as they are in the file now."""
    with suppress(DamagedFile, LearningError):
        return dict(read_card(school, run).settings)
    try:
        return load(school.settings_file).model_dump()
    except ConfigError:
        return {}


def _exposures(
    school: School, run: int, results: Mapping[StageName, StageResult]
) -> Iterator[dict[str, Any]]:
    """The test exposures that results show to have happened."""
    folder = school.run_folder(run)
    prepared = results.get(StageName.PREP)
    if not isinstance(prepared, PrepResult):
        return
    test = ""
    with suppress(DamagedFile):
        test = fingerprint_of_test(load_dataset(school.datasets / prepared.dataset))

    def exposure(
        answerer: Answerer, name: str, seed: int | None = None, model_run: int | None = None
    ) -> dict[str, Any]:
        return {
            "at": _changed(folder / name), "run": run, "answerer": answerer, "seed": seed,
            "model_run": model_run, "dataset": prepared.dataset, "test": test,
        }  # fmt: skip

    if isinstance(results.get(StageName.BASELINE), BaselineResult):
        yield exposure(Answerer.BASE, "baseline.json")
    evaluated = results.get(StageName.EVALUATE)
    if isinstance(evaluated, EvaluateResult):
        seeds: list[int | None] = [one.seed for one in evaluated.seeds]
        for seed in seeds or [None]:
            yield exposure(Answerer.ADAPTER, "evaluate.json", seed)
    with suppress(DamagedFile, LearningError):
        champion = read_record(folder / "champion.json", ChampionAnswers)
        if champion.answers:
            yield exposure(Answerer.CHAMPION, "champion.json", model_run=champion.run)
    if isinstance(results.get(StageName.COMPARE), CompareResult):
        yield exposure(Answerer.ARMS, "compare.json")


def _compared_at(school: School, run: int) -> float | None:
    with suppress(ReportError, ValueError):
        report = read_report(school.run_folder(run) / "report" / "report.json")
        return datetime.fromisoformat(report.created).timestamp()
    return None


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
