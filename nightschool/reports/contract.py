"""The report as plain data: what `nightschool report --json` prints and every file here reads.

Shares, scores and intervals are fractions from 0 to 1; differences (`delta_*`) are fractions from
-1 to 1, after minus before. Intervals are [low, high] at 95 %. Times are ISO 8601 with an offset.
Every number is finite. All keys are always there; lists may be empty.
"""

from typing import Literal, TypedDict

ArmName = Literal[
    "majority", "tfidf-lr", "features-lr", "embeddings-lr", "zero-shot", "few-shot", "server",
    "before", "after",
]  # fmt: skip
Decision = Literal["promote", "keep", "inconclusive"]


class KindScores(TypedDict):
    """One arm's scores on one kind; `n` is how many test notes are truly of this kind."""

    precision: float
    recall: float
    f1: float
    n: int


class Arm(TypedDict):
    """One classifier on the test notes; `confusion` counts true kind -> predicted kind."""

    name: ArmName
    accuracy: float
    accuracy_ci: list[float]
    macro_f1: float
    per_kind: dict[str, KindScores]
    confusion: dict[str, dict[str, int]]


class Paired(TypedDict):
    """After against before, note by note: `wins` were fixed, `losses` were broken."""

    wins: int
    losses: int
    mcnemar_p: float
    delta_accuracy: float
    delta_ci: list[float]


class Dataset(TypedDict):
    """What the run learnt from and was tested on; `cut` notes were cut at max_tokens."""

    fingerprint: str
    train: int
    validation: int
    test: int
    cut: int
    warnings: list[str]


class Change(TypedDict):
    """A test note whose answer became right (fixed) or wrong (broke)."""

    source: str
    text: str
    kind: str
    before: str
    after: str


class Training(TypedDict):
    """`losses` and `validation` are [optimizer step, loss] pairs; `seconds` is training time."""

    steps: int
    seconds: float
    losses: list[list[float]]
    validation: list[list[float]]
    adapter_sha256: str


class Choice(TypedDict):
    """A value that the program chose by itself, and why."""

    name: str
    value: str
    reason: str


class TimelineEntry(TypedDict):
    """Something that happened to the run."""

    at: str
    event: str


class Report(TypedDict):
    """One run, measured before and after. `settings` is the school's TOML text.

    `arm_notes` says by arm how it was made, what went wrong with it, or why it is absent.
    """

    run: int
    items: int
    arms: list[Arm]
    arm_notes: dict[str, str]
    paired: Paired
    decision: Decision
    reason: str
    kinds: list[str]
    base: str
    created: str
    dataset: Dataset
    changes: list[Change]
    training: Training
    chosen: list[Choice]
    timeline: list[TimelineEntry]
    settings: str
    versions: dict[str, str]


def find_arm(report: Report, name: ArmName) -> Arm | None:
    """The arm of that name, or None: a baseline may be missing."""
    return next((arm for arm in report["arms"] if arm["name"] == name), None)


def arm_of(report: Report, name: ArmName) -> Arm:
    """The arm of that name. ValueError if the report lacks it."""
    found = find_arm(report, name)
    if found is None:
        raise ValueError(f"the report of run {report['run']} has no arm {name!r}")
    return found
