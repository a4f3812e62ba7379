"""What every stage stands on: its school, run, settings and the way to its parent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nightschool.config import files
from nightschool.config.errors import NotesError, NotesUnavailable
from nightschool.config.paths import School
from nightschool.config.settings import Settings
from nightschool.notes.augmentation import with_roughened_copies
from nightschool.notes.dataset import Dataset, load
from nightschool.notes.freezing import freeze
from nightschool.notes.labels import read_labels, with_labels
from nightschool.notes.none_of_the_above import unused_none_warning
from nightschool.notes.note import LoadedNotes, Note
from nightschool.notes.readers import notes_path, read_school
from nightschool.notes.split_assignments import read_split_assignments
from nightschool.stages.parent import Parent

if TYPE_CHECKING:
    from nightschool.learning.auto_choice import AutoChoice
    from nightschool.learning.device import Device
    from nightschool.learning.encoding import Encoder

Ending = dict[str, Any]
_Kept = TypeVar("_Kept")


@dataclass(frozen=True, slots=True)
class StageContext:
    """One stage's surroundings."""

    school: School
    run: int
    settings: Settings
    parent: Parent

    @property
    def folder(self) -> Path:
        return self.school.run_folder(self.run)

    def result(self, stage: str) -> dict[str, Any]:
        """What an earlier stage recorded."""
        found: dict[str, Any] = json.loads((self.folder / f"{stage}.json").read_text("utf-8"))
        return found

    def kept_plan(self) -> dict[str, Any]:
        """What the run decided at its first chunk, kept for the others; empty before that."""
        file = self.folder / "plan.json"
        return json.loads(file.read_text("utf-8")) if file.exists() else {}

    def keep_plan(self, **decided: object) -> None:
        """Add to `kept_plan`, or replace what stands there under the same name."""
        write_json(self.folder / "plan.json", {**self.kept_plan(), **decided})

    def dataset(self) -> Dataset:
        return load(self.school.datasets / self.result("prep")["dataset"])

    def chose(self, *choices: AutoChoice) -> list[dict[str, str]]:
        for choice in choices:
            self.parent.say("choice", f"{choice.name} = {choice.value} ({choice.reason})")
        return [choice.as_dict() for choice in choices]

    def encoder(self, kinds: Sequence[str]) -> Encoder:
        """This run's encoder for its dataset's kinds. Raises LearningError where its prompts do not fit
        into the base."""
        return make_encoder(self.settings, self.base_folder(), kinds)

    def base_folder(self) -> Path:
        """The base model's folder. Raises LearningError where it is not the one that prep saw."""
        from nightschool.config.errors import LearningError
        from nightschool.learning.hub import fingerprint

        prepared = self.result("prep")
        folder = Path(prepared["base_folder"])
        if not folder.is_dir() or fingerprint(folder) != prepared["base_fingerprint"]:
            raise LearningError(
                f"the base model in {folder} is gone or another one since prep: "
                "put it back, or `run --new`"
            )
        return folder

    def device(self) -> Device:
        """The run's device. Raises DeviceBusy where it is a GPU that is not there now: baseline, chunks
        and evaluation have to be computed alike, and on a CPU they may take weeks."""
        from nightschool.learning.device import pick

        began = self.kept_plan().get("device", "")
        device = pick(self.settings.train, began)
        if not began:
            self.keep_plan(device=device.torch.type)
        return device

    def base(self, device: Device) -> Any:
        """The frozen base (a transformers PreTrainedModel), quantised as the settings say."""
        from nightschool.learning.base import load_base

        return load_base(
            self.base_folder(),
            device,
            self.settings.train.quantisation,
            self.school.quantised,
            self.parent.say,
        )


def kept_as(kind: type[_Kept], values: Mapping[str, Any]) -> _Kept:
    """A dataclass from what a run kept of it; what this version no longer has is left out."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in names})


def make_encoder(settings: Settings, folder: Path, kinds: Sequence[str]) -> Encoder:
    """The encoder for a base. Raises LearningError where the prompts do not fit into it."""
    from nightschool.config.errors import LearningError
    from nightschool.learning.base import load_tokenizer
    from nightschool.learning.encoding import Encoder
    from nightschool.learning.hub import context_length

    encoder = Encoder(
        load_tokenizer(folder),
        kinds,
        settings.kinds,
        settings.prompt.instructions,
        settings.train.max_tokens,
    )
    limit = context_length(folder)
    if limit and encoder.longest > limit:
        most = settings.train.max_tokens - (encoder.longest - limit)
        raise LearningError(
            f"train.max_tokens = {settings.train.max_tokens} and the prompt do not fit into the "
            f"base's {limit} tokens: set it to {most} or less, then `nightschool run --new`"
        )
    return encoder


def read_and_freeze(school: School, settings: Settings) -> tuple[LoadedNotes, Dataset]:
    """Read a school's notes, assign them to splits and add roughened copies to the training split.

    Nothing is written. Raises NotesError.
    """
    reading = read_school(school.root, settings)
    if not reading.notes:
        # A folder on which no drive is mounted is empty.
        error = NotesError if reading.skipped else NotesUnavailable
        raise error(_nothing_read(notes_path(school.root, settings), reading))
    reading = with_labels(reading, read_labels(school.labels_file))
    dataset = assign_splits(school, settings, reading.notes)
    if warning := unused_none_warning(dataset.kinds, settings.notes.none):
        dataset = replace(dataset, warnings=(*dataset.warnings, warning))
    return reading, with_roughened_copies(dataset, settings.train.roughen, settings.split.seed)


def assign_splits(school: School, settings: Settings, notes: Sequence[Note]) -> Dataset:
    """The dataset that a run would freeze. Raises NotesError, see `freeze`."""
    return freeze(
        notes,
        test=settings.split.test,
        validation=settings.split.validation,
        seed=settings.split.seed,
        assignments=read_split_assignments(school.split_assignments_file),
        same_source=settings.split.same_source,
    )


def _nothing_read(path: Path, reading: LoadedNotes) -> str:
    groups = reading.skipped_groups()[:3]
    skipped = ", ".join(f"{len(group.sources)} skipped: {group.message}" for group in groups)
    return (
        f"there are no notes in {path}{f' ({skipped})' if skipped else ''}: put some there, or set "
        "notes.folder in nightschool.toml"
    )


def write_json(file: Path, content: Mapping[str, Any] | float) -> None:
    """Write JSON so that the file is whole or not there, also after a crash."""
    files.write(file, json.dumps(content, ensure_ascii=False, indent=1))
