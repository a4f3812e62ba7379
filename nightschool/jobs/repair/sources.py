"""What a damaged file of a run can be made again from; every candidate is compared with the file's record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from nightschool.config import files
from nightschool.config.checksums import with_checksum
from nightschool.config.errors import (
    ConfigError,
    DamagedFile,
    LearningError,
    NotesError,
    ReportError,
)
from nightschool.config.paths import School
from nightschool.config.settings import Settings, recorded
from nightschool.config.trusted_schools import with_reach_of_file
from nightschool.ledger.artifacts import Artifact
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName
from nightschool.notes.dataset import contents, load, parse_items
from nightschool.reports.report_file import read as read_report
from nightschool.stages.freeze_notes import read_and_freeze
from nightschool.stages.known_notes import left_out
from nightschool.stages.publish import ModelCard
from nightschool.stages.run_stage import RESULTS
from nightschool.stats.results import Report
from nightschool.stats.stage_results import (
    BaselineResult,
    EvaluateResult,
    PrepResult,
    StageResult,
    read_record,
)
from nightschool.stats.terms import ArmName

ResultT = TypeVar("ResultT", bound=StageResult)


@dataclass(frozen=True, slots=True)
class Content:
    """The content that a file may have had, and where it is from, in words."""

    content: bytes
    source: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class RunSources:
    """One run's sources. `artifacts` are the records of all runs, by path."""

    school: School
    ledger: Ledger
    run: int
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)

    def candidates(self, path: str, sha256: str) -> Iterator[Content]:
        """What may be the content of a file, the likeliest first."""
        file, name = self.school.state / path, path.rsplit("/", 1)[-1]
        if file.parent == self.school.run_folder(self.run):
            yield from self._results(name.removesuffix(".json"))
        yield from self._copies(path, sha256)
        if name == "left_out.json":
            yield from self._left_out
        if path.startswith("datasets/"):
            yield from (each for frozen, each in self._datasets if frozen == path)
        if name == "model.json":
            yield from self._cards()

    def manifest(self, folder: Path) -> Content | None:
        """The manifest of a dataset whose items are whole, without its warnings; None if they do not fit."""
        prepared = self.result(PrepResult)
        if prepared is None or prepared.dataset != folder.name:
            return None
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            content = files.read(folder / "items.jsonl")
            dataset = parse_items(content, self._kinds_of_card())
            if dataset.fingerprint == prepared.fingerprint:
                return Content(contents(dataset)["manifest.json"], "its items")
        return None

    def device(self) -> str:
        """The type of the device that the run began on; "" if its baseline does not tell."""
        baseline = self.result(BaselineResult)
        chosen = baseline.chosen if baseline else ()
        return next((choice.value for choice in chosen if choice.name == "device"), "")

    def report(self) -> Report | None:
        """The report of the run; None if it is damaged or there is none."""
        file = self.school.run_folder(self.run) / "report" / "report.json"
        with suppress(ReportError):
            return read_report(file)
        return None

    def _copies(self, path: str, sha256: str) -> Iterator[Content]:
        for other, artifact in self.artifacts.items():
            if other != path and artifact.sha256 == sha256:
                with suppress(OSError):
                    yield Content(files.read(self.school.state / other), f"its copy {other}")

    def _results(self, stage: str) -> Iterator[Content]:
        if stage not in RESULTS:
            return
        result = self.ledger.stage(self.run, StageName(stage)).result
        if result is None:
            return
        with suppress(ValidationError):
            text = RESULTS[StageName(stage)].model_validate(result).model_dump_json(indent=1)
            for content in (with_checksum(text), text):
                yield Content(content.encode(), "the ledger")
        # As `forget` rewrites it.
        text = json.dumps(result, ensure_ascii=False, indent=1)
        for content in (with_checksum(text), text):
            yield Content(content.encode(), "the ledger")

    @cached_property
    def _settings(self) -> tuple[Settings, ...]:
        """The settings of the run as queued, and as its stages used them."""
        queued = recorded(self.ledger.run(self.run).settings)
        with suppress(ConfigError):
            return (queued, with_reach_of_file(self.school, queued))
        return (queued,)

    @cached_property
    def _notes(self) -> tuple[tuple[tuple[str, Content], ...], tuple[Content, ...]]:
        """The files of the dataset that a run would freeze now, by path; and its left-out notes."""
        try:
            loaded, dataset = read_and_freeze(self.school, self._settings[-1])
        except (NotesError, DamagedFile, OSError):
            return (), ()
        folder = f"datasets/{dataset.fingerprint[:16]}"
        frozen = tuple(
            (f"{folder}/{name}", Content(content, "the notes"))
            for name, content in contents(dataset).items()
        )
        own = [item for item in dataset.items if not item.origin]
        text = json.dumps(left_out(loaded, own), ensure_ascii=False, indent=1)
        return frozen, (Content(text.encode(), "the notes"),)

    @property
    def _datasets(self) -> tuple[tuple[str, Content], ...]:
        return self._notes[0]

    @property
    def _left_out(self) -> tuple[Content, ...]:
        return self._notes[1]

    def _cards(self) -> Iterator[Content]:
        """The model card from the results, with and without what the comparison added."""
        prepared = self.result(PrepResult)
        evaluated = self.result(EvaluateResult)
        if prepared is None or evaluated is None:
            return
        try:
            kinds = load(self.school.datasets / prepared.dataset).kinds
        except DamagedFile:
            return
        found: list[dict[str, Any]] = [{}]
        if report := self.report():
            calibrated, abstention = report.calibration.get(ArmName.AFTER), report.abstention
            added = {
                "temperature": calibrated.temperature if calibrated else None,
                "threshold": abstention.threshold if abstention else None,
            }
            found.insert(0, added)
        # As recorded by a version that knew other settings, too.
        all_settings = [
            self.ledger.run(self.run).settings,
            *(s.model_dump() for s in self._settings),
        ]
        for settings in all_settings:
            for added in found:
                card = ModelCard(
                    run=self.run, base=str(settings.get("base")), kinds=kinds, settings=settings,
                    base_fingerprint=prepared.base_fingerprint, prompt=evaluated.prompt, **added,
                )  # fmt: skip
                content = with_checksum(card.model_dump_json(indent=1))
                yield Content(content.encode(), "the results of its run")

    def result(self, kind: type[ResultT]) -> ResultT | None:
        """A stage's result, from its file or the ledger; None if neither has it."""
        with suppress(DamagedFile, LearningError):
            return read_record(self.school.run_folder(self.run) / f"{kind.stage}.json", kind)
        with suppress(ValidationError):
            return kind.model_validate(self.ledger.stage(self.run, kind.stage).result or {})
        return None

    def _kinds_of_card(self) -> tuple[str, ...]:
        """The kinds in the run's model card, of which some may have no note; empty without one."""
        with suppress(DamagedFile, LearningError):
            file = self.school.model_folder(self.run) / "model.json"
            return read_record(file, ModelCard).kinds
        return ()
