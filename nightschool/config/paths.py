"""The paths of a school's files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nightschool.config.errors import ConfigError

SETTINGS_NAME = "nightschool.toml"
LABELS_NAME = "labels.jsonl"
STATE_NAME = ".nightschool"
DEMO_BASE = Path(__file__).parent.parent / "demo" / "base"


@dataclass(frozen=True, slots=True)
class School:
    """A school's folder: the settings, which the user edits, and `.nightschool/`, which the program writes."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / SETTINGS_NAME

    @property
    def labels_file(self) -> Path:
        """The labels of single notes; the user may edit them."""
        return self.root / LABELS_NAME

    @property
    def state(self) -> Path:
        return self.root / STATE_NAME

    @property
    def identity_file(self) -> Path:
        """A random id, by which `trusted_schools` recognises the school wherever it is."""
        return self.state / "id"

    @property
    def ledger_file(self) -> Path:
        return self.state / "ledger.db"

    @property
    def queue_file(self) -> Path:
        return self.state / "queue.db"

    @property
    def pace_file(self) -> Path:
        return self.state / "pace.json"

    @property
    def seen_file(self) -> Path:
        """The result of the last retraining check."""
        return self.state / "seen.json"

    @property
    def signals_file(self) -> Path:
        """The signals that the worker read last."""
        return self.state / "signals.json"

    @property
    def told_file(self) -> Path:
        """The last night for which a notification was sent."""
        return self.state / "told.json"

    @property
    def work_lock(self) -> Path:
        return self.state / "work.lock"

    @property
    def datasets(self) -> Path:
        return self.state / "datasets"

    @property
    def split_assignments_file(self) -> Path:
        return self.datasets / "sides.json"

    @property
    def activations(self) -> Path:
        """Activations that version 0.1.0 kept while it trained; deleted if any are left."""
        return self.state / "activations"

    @property
    def models(self) -> Path:
        return self.state / "models"

    @property
    def set_aside(self) -> Path:
        """What `repair` replaced, in a folder for each repair."""
        return self.state / "set-aside"

    @property
    def inventory_file(self) -> Path:
        return self.state / "inventory.html"

    @property
    def quantised(self) -> Path:
        """A cache of quantised base models."""
        return self.state / "quantised"

    def run_folder(self, run: int) -> Path:
        return self.state / "runs" / str(run)

    def model_folder(self, run: int) -> Path:
        return self.models / f"run-{run}"


def find_school(given: Path | None, environment: Mapping[str, str] = os.environ) -> School:
    """The school at `given`, or else at NIGHTSCHOOL_SCHOOL, or else at or above the current folder.

    Raises ConfigError if there is no `nightschool.toml`.
    """
    named = given or (
        Path(environment["NIGHTSCHOOL_SCHOOL"]) if environment.get("NIGHTSCHOOL_SCHOOL") else None
    )
    if named is not None:
        root = named.resolve()
        if not (root / SETTINGS_NAME).is_file():
            quoted = f'"{named}"' if " " in str(named) else named
            raise ConfigError(
                f"{root} is not a school", f"create one with `nightschool init {quoted}`"
            )
        return School(root)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / SETTINGS_NAME).is_file():
            return School(folder)
    raise ConfigError(
        f"there is no {SETTINGS_NAME} in {here} or above",
        "create a school with `nightschool init`, or give one with --school FOLDER",
    )


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of what belongs to this user and this computer, and to no school."""
    import platformdirs  # lazy: platformdirs

    given = environment.get("NIGHTSCHOOL_STATE")
    return Path(given) if given else Path(platformdirs.user_state_dir("nightschool", False))


def locks_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the device locks, shared by all schools of this user."""
    given = environment.get("NIGHTSCHOOL_STATE")
    return Path(given) if given else state_folder(environment) / "locks"
