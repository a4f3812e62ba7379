"""The files that the ledger has a record of: which are damaged, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nightschool.config import files
from nightschool.config.errors import DamagedFile, LearningError
from nightschool.config.paths import School
from nightschool.jobs.repair.finding import Finding, RepairRemedy
from nightschool.jobs.repair.lost_ledger import put_aside
from nightschool.jobs.repair.sources import Content, RunSources
from nightschool.ledger.artifacts import Artifact, artifact_of
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.recorded_files import RecordedFiles
from nightschool.ledger.records import STAGES, RunState, StageName, StageState
from nightschool.stages.kept_plan import KeptPlan, write_kept_plan
from nightschool.stages.publish import ADAPTER_WEIGHTS
from nightschool.stages.run_stage import RESULTS
from nightschool.stats.stage_results import TrainResult, read_record

_UNNEEDED = (
    "plan.json",
    "champion.json",
    "server.jsonl",
    "runs/*/adapter/*",
    "runs/*/seed-*/adapter/*",
)
"""Of a run that is done: nothing reads them again."""
_KEPT = ("logs", "run.json")
"""What stays in the folder of a run that begins again."""


@dataclass(frozen=True)
class RunRepair:
    """The files of one run. `dry`: nothing is changed; else what is replaced goes into the folder `aside`."""

    sources: RunSources
    aside: Path
    dry: bool

    def findings(self) -> Iterator[Finding]:
        """What is damaged, and what becomes of it. Raises OSError, LedgerError."""
        lost: list[tuple[Artifact, str]] = []
        for artifact, problem in [*self._unreadable(), *self._changed()]:
            if found := self._made_again(artifact, problem):
                yield found
            else:
                lost.append((artifact, problem))
        page = [each for each in lost if _is_page(each[0].path)]
        if page and (found := self._page_again(page[0])):
            yield found
            lost = [each for each in lost if each not in page]
        if lost:
            yield from self._without(lost)
        of_model = any(self._is_model(artifact.path) for artifact, _ in lost)
        if not of_model and not self.dry and self.ledger.model_damaged(self.run):
            self.ledger.unmark_damaged(self.run)

    @property
    def school(self) -> School:
        return self.sources.school

    @property
    def ledger(self) -> Ledger:
        return self.sources.ledger

    @property
    def run(self) -> int:
        return self.sources.run

    @cached_property
    def _own(self) -> Mapping[str, Artifact]:
        recorded = self.ledger.artifacts(self.run)
        return recorded or {artifact.path: artifact for artifact in self._implied()}

    def _implied(self) -> Iterator[Artifact]:
        """The digests that version 0.1.0 wrote into its own files."""
        trained = self.sources.result(TrainResult)
        weights = f"models/run-{self.run}/adapter/{ADAPTER_WEIGHTS}"
        if trained and not self.ledger.model_pruned(self.run):
            yield Artifact(weights, trained.adapter_sha256, 0)

    def _changed(self) -> Iterator[tuple[Artifact, str]]:
        for artifact in self._own.values():
            if problem := problem_of(self.school, artifact):
                yield artifact, problem

    def _unreadable(self) -> Iterator[tuple[Artifact, str]]:
        """Results without a record that cannot be read."""
        for stage in self.ledger.stages(self.run):
            path = f"runs/{self.run}/{stage.name}.json"
            if stage.state is not StageState.DONE or path in self._own:
                continue
            try:
                read_record(self.school.state / path, RESULTS[stage.name])
            except DamagedFile as error:
                yield Artifact(path, "", 0), _without_name(error, self.school.state / path)
            except LearningError:
                pass  # a newer version wrote it

    def _is_model(self, path: str) -> bool:
        return path.startswith(f"models/run-{self.run}/")

    @cached_property
    def _stages(self) -> Mapping[str, StageName]:
        """The stage that wrote each file."""
        return self.ledger.artifact_stages(self.run)

    @cached_property
    def _is_done(self) -> bool:
        return all(stage.state is StageState.DONE for stage in self.ledger.stages(self.run))

    def _made_again(self, artifact: Artifact, problem: str) -> Finding | None:
        for candidate in self.sources.candidates(artifact.path, artifact.sha256):
            if artifact.sha256 in ("", candidate.sha256):
                self._write(artifact.path, candidate)
                return _made(artifact.path, problem, candidate.source)
        if artifact.path.startswith("datasets/") and artifact.path.endswith("/manifest.json"):
            folder = (self.school.state / artifact.path).parent
            if made := self.sources.manifest(folder):
                self._write(artifact.path, made, recorded=False)
                return _made(artifact.path, problem, made.source)
        if artifact.path == f"runs/{self.run}/plan.json" and not self._is_done:
            return self._plan_again(artifact, problem)
        return None

    def _plan_again(self, artifact: Artifact, problem: str) -> Finding | None:
        """The plan of a trained run: of it, only the device is still needed."""
        device = self.sources.device()
        if not device:
            return None
        if not self.dry:
            put_aside([self.school.state / artifact.path], self.aside)
            write_kept_plan(self.school.state / artifact.path, KeptPlan(device=device))
            self._record(artifact.path)
        return _made(artifact.path, problem, "the device that the baseline recorded")

    def _page_again(self, damaged: tuple[Artifact, str]) -> Finding | None:
        """The report's page and charts, from the report."""
        artifact, problem = damaged
        report = self.sources.report()
        if report is None:
            return None
        folder = (self.school.state / artifact.path).parent
        if not self.dry:
            from nightschool.reports.writer import write_page  # lazy: matplotlib

            put_aside([path for path in folder.iterdir() if path.name != "report.json"], self.aside)
            write_page(report, folder)
            for path in sorted(folder.iterdir()):
                self._record(path.relative_to(self.school.state).as_posix())
        return _made(artifact.path, problem, "report.json, with the whole page")

    def _write(self, path: str, candidate: Content, *, recorded: bool = True) -> None:
        if self.dry:
            return
        file = self.school.state / path
        put_aside([file], self.aside)
        files.write(file, candidate.content)
        if not recorded:
            self.ledger.replace_artifact(artifact_of(self.school, file))

    def _record(self, path: str) -> None:
        artifact = artifact_of(self.school, self.school.state / path)
        stage = self._stages.get(path, STAGES[-1])
        self.ledger.record_artifacts(self.run, stage, [artifact])

    def _without(self, lost: list[tuple[Artifact, str]]) -> Iterator[Finding]:
        """What cannot be made again from what is there."""
        if not self._is_done:
            yield from self._set_back(lost)
            return
        models = [each for each in lost if self._is_model(each[0].path)]
        for artifact, problem in lost:
            if (artifact, problem) in models:
                continue
            if any(Path(artifact.path).match(pattern) for pattern in _UNNEEDED):
                if not self.dry:
                    put_aside([self.school.state / artifact.path], self.aside)
                    self.ledger.forget_artifact(artifact.path)
                why = "nothing needs it any more"
                yield Finding(artifact.path, problem, RepairRemedy.DROPPED, why)
                continue
            if artifact.path.startswith("datasets/") and not self.dry:
                put_aside([(self.school.state / artifact.path).parent], self.aside)
                self.ledger.drop_artifacts(artifact.path.rsplit("/", 1)[0])
            yield Finding(artifact.path, problem, RepairRemedy.LOST, _consequence(artifact.path))
        if models:
            instead = self._without_model(f"{models[0][0].path} {models[0][1]}")
        for artifact, problem in models:
            yield Finding(artifact.path, problem, RepairRemedy.LOST, instead)

    def _without_model(self, problem: str) -> str:
        """Take the model out of use; returns what is used instead."""
        promotions = self.ledger.promotions()
        left = [run for run in promotions if run != self.run]
        if not self.dry:
            self.ledger.mark_damaged(self.run, problem)
        unused = f"the model of run {self.run} is not used until it is restored from a backup"
        if promotions[-1:] != [self.run]:
            return unused
        return f"{unused}; " + (f"that of run {left[-1]} is" if left else "no model is") + " in use"

    def _set_back(self, lost: list[tuple[Artifact, str]]) -> Iterator[Finding]:
        """Let the unfinished run perform the first stage again whose file is lost."""
        stage = min((self._stage_of(artifact.path) for artifact, _ in lost), key=STAGES.index)
        if not self.dry:
            names = ", ".join(artifact.path for artifact, _ in lost)
            self.ledger.set_back(self.run, stage, f"{names} cannot be made again")
            put_aside(self._of_stage(stage), self.aside)
            put_aside([self.school.state / artifact.path for artifact, _ in lost], self.aside)
        state = self.ledger.run(self.run).state
        waits = f" after `nightschool retry {self.run}`" if state is RunState.CANCELLED else ""
        detail = f"run {self.run} performs {stage} again{waits}"
        for artifact, problem in lost:
            yield Finding(artifact.path, problem, RepairRemedy.PERFORMED_AGAIN, detail)

    def _stage_of(self, path: str) -> StageName:
        """The stage that wrote a file."""
        if stage := self._stages.get(path):
            return stage
        name = path.rsplit("/", 1)[-1].removesuffix(".json")
        return StageName(name) if name in STAGES else StageName.TRAIN

    def _of_stage(self, stage: StageName) -> Iterator[Path]:
        """What must not be taken for the result of a stage that is performed again.

        Other notes make another dataset, to which nothing that was computed belongs.
        """
        folder = self.school.run_folder(self.run)
        if stage is StageName.PREP:
            yield from sorted(path for path in folder.iterdir() if path.name not in _KEPT)
            yield self.school.model_folder(self.run)
            return
        yield folder / f"{stage}.json"
        if stage is StageName.TRAIN:
            yield self.school.model_folder(self.run)  # it has no record any more
        if stage is StageName.EVALUATE:
            yield from sorted(folder.glob("seed-*/evaluated.json"))


def problem_of(school: School, artifact: Artifact) -> str:
    """What is wrong with a recorded file, in words; "" if nothing is."""
    file = school.state / artifact.path
    try:
        RecordedFiles(school, {artifact.path: artifact}).check(file)
    except DamagedFile as error:
        return _without_name(error, file)
    return ""


def _without_name(error: DamagedFile, file: Path) -> str:
    return error.message.removeprefix(f"{file} ")


def _made(path: str, problem: str, source: str) -> Finding:
    return Finding(path, problem, RepairRemedy.MADE_AGAIN, source)


def _is_page(path: str) -> bool:
    return "/report/" in path and not path.endswith("/report.json")


def _consequence(path: str) -> str:
    """What is lost with a file of a run that is done."""
    if path.endswith("/report.json"):
        return "the report; the results stay"
    if path.startswith("datasets/"):
        return (
            "its model answers no new test notes any more, since what it learned from is not known"
        )
    if path.endswith("/left_out.json"):
        return "the retraining check cannot tell new notes until the next run (`nightschool run --new`)"
    return "later comparisons with this run end in an error that names it"
