"""The context of a stage: its school, run, settings, earlier results, and its parent process."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nightschool.config import files
from nightschool.config.errors import BaseModelError, LearningError
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.learning.base_check import OTHER_BASE, check_base
from nightschool.learning.hub import fingerprint, locate, read_config
from nightschool.ledger.artifacts import damaged, unusable
from nightschool.ledger.recorded_files import RecordedFiles, recorded_files
from nightschool.notes.dataset import Dataset, load
from nightschool.stages.kept_plan import KeptPlan, read_kept_plan, write_kept_plan
from nightschool.stages.parent import Parent
from nightschool.stats.results import Choice
from nightschool.stats.stage_results import PrepResult, StageResult, read_record

if TYPE_CHECKING:
    from nightschool.learning.device import Device
    from nightschool.learning.encoding import Encoder

ResultT = TypeVar("ResultT", bound=StageResult)


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage reads from and reports to."""

    school: School
    run: int
    settings: Settings
    parent: Parent

    @property
    def folder(self) -> Path:
        return self.school.run_folder(self.run)

    def result(self, kind: type[ResultT]) -> ResultT:
        """What an earlier stage of this run recorded. Raises DamagedFile."""
        file = self.folder / f"{kind.stage}.json"
        self.recorded.check(file)
        return read_record(file, kind)

    @property
    def recorded(self) -> RecordedFiles:
        """The files that the stages of this run recorded."""
        return recorded_files(self.school, self.run)

    def kept_plan(self) -> KeptPlan:
        """What the run decided at its first chunk; empty before that. Raises DamagedFile."""
        file, recorded = self.folder / "plan.json", self.recorded
        recorded.check(file)
        plan = read_kept_plan(file)
        if plan == KeptPlan() and self.folder / "baseline.json" in recorded:
            raise unusable(file, FileNotFoundError())
        return plan

    def keep_plan(self, plan: KeptPlan) -> None:
        """Keep a plan for the later chunks, in place of the one before."""
        write_kept_plan(self.folder / "plan.json", plan)

    def dataset(self) -> Dataset:
        """The frozen dataset of this run. Raises DamagedFile."""
        prepared = self.result(PrepResult)
        folder = self.school.datasets / prepared.dataset
        self.recorded.check_folder(folder)
        dataset = load(folder)
        if dataset.fingerprint != prepared.fingerprint:
            raise damaged(folder, "it is not the dataset that prep froze")
        return dataset

    def report_choices(self, *choices: Choice) -> tuple[Choice, ...]:
        """Log automatic choices; returns them, for the stage's result."""
        for choice in choices:
            self.parent.say("choice", f"{choice.name} = {choice.value} ({choice.reason})")
        return choices

    def encoder(self, kinds: Sequence[str]) -> Encoder:
        """This run's encoder for its dataset's kinds. Raises LearningError if the prompts do not fit
        into the base's context."""
        return make_encoder(self.settings, self.base_folder(), kinds)

    def base_folder(self) -> Path:
        """The base model's folder. Raises LearningError if it is not the one that prep recorded."""
        prepared = self.result(PrepResult)
        folder = Path(prepared.base_folder)
        if not folder.is_dir():  # nightschool or the hub's cache has moved
            folder = locate(self.settings.base, self.school.root) or folder
        if folder.is_dir():
            check_base(folder)
        if not folder.is_dir() or fingerprint(folder) != prepared.base_fingerprint:
            raise LearningError(
                f"the base model in {folder} is missing or has changed since prep",
                "restore it, or queue a new run with `nightschool run --new`",
            )
        return folder

    def device(self) -> Device:
        """The run's device. Raises DeviceBusy if it is a GPU that is unavailable now: baseline, training
        and evaluation must compute alike, and a CPU may take weeks."""
        from nightschool.learning.device import pick  # lazy: torch

        kept = self.kept_plan()
        device = pick(self.settings.train, kept.device)
        if not kept.device:
            self.keep_plan(replace(kept, device=device.torch.type))
        return device

    def base(self, device: Device) -> Any:
        """The frozen base (a transformers PreTrainedModel), quantised as the settings say."""
        from nightschool.learning.base import load_base  # lazy: torch

        return load_base(
            self.base_folder(),
            device,
            self.settings.train.quantisation,
            self.school.quantised,
            self.parent.say,
        )


def make_encoder(settings: Settings, folder: Path, kinds: Sequence[str]) -> Encoder:
    """The encoder for a base. Raises LearningError if the prompts do not fit into its context."""
    from nightschool.learning.base import load_tokenizer  # lazy: transformers
    from nightschool.learning.encoding import Encoder  # lazy: transformers

    encoder = Encoder(
        load_tokenizer(folder),
        kinds,
        settings.meanings,
        settings.prompt.instructions,
        settings.train.max_tokens,
    )
    config = read_config(folder)
    config = config.get("text_config") or config
    if encoder.highest_token >= (config.get("vocab_size") or math.inf):
        raise BaseModelError(
            f"{folder}: its prompt has token {encoder.highest_token}, which the model does not know",
            OTHER_BASE,
        )
    limit = config.get("max_position_embeddings")
    if limit and encoder.longest > limit:
        most = settings.train.max_tokens - (encoder.longest - limit)
        raise LearningError(
            f"train.max_tokens = {settings.train.max_tokens} and the prompt do not fit into the "
            f"base's context of {limit} tokens",
            f"set it to {most} or less, then `nightschool run --new`",
        )
    return encoder


def write_json(file: Path, content: Mapping[str, Any] | float) -> None:
    """Write JSON so that the file is whole or absent, also after a crash."""
    files.write(file, json.dumps(content, ensure_ascii=False, indent=1))
