"""The report of a run, as types: what `report.json` holds and `nightschool report --json` prints.

A field's name is its key in the JSON. Shares, scores, probabilities and interval bounds are fractions
from 0 to 1; differences (`delta_*`) are fractions from -1 to 1, after minus before. Intervals are
(low, high) at 95 %, by group. Times are ISO 8601 with an offset. Every stored number is finite. What was
not measured is None, or an empty sequence.

`reports.report_file` validates what it reads against these types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from nightschool.config.errors import ReportError
from nightschool.notes.label_leaks import LabelLeaks
from nightschool.stats.terms import (
    ArmName,
    CheckName,
    Decision,
    Reference,
    SpanReason,
    SpanState,
)

FORMAT = 2
"""The version of these types; `Report.format` stores it."""

Interval = tuple[float, float]
OptionalInterval = Interval | tuple[()]
"""An interval, or () if it was not measured."""


@dataclass(frozen=True, slots=True)
class KindScores:
    """One arm's scores on one kind; `n` is the number of test notes of this kind."""

    precision: float
    recall: float
    recall_ci: OptionalInterval
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Arm:
    """One classifier on the test notes; `confusion` counts true kind -> predicted kind.

    `after_better` is the probability that `after` is better than this arm: see `Paired.p_better`.
    """

    name: ArmName
    accuracy: float
    accuracy_ci: Interval
    macro_f1: float
    macro_f1_ci: OptionalInterval
    per_kind: Mapping[str, KindScores]
    confusion: Mapping[str, Mapping[str, int]]
    after_better: float | None


@dataclass(frozen=True, slots=True)
class Paired:
    """New answers against earlier ones, note by note: `wins` were fixed, `losses` were broken.

    `p_better` is a lower bound of the probability that the new model is better: by group, under the
    prior least favourable to it. `p_worse` is the same for worse; the two need not sum to 1.
    `design_effect` is the factor by which groups widen the variance. `mcnemar_p` treats notes as
    independent.
    """

    wins: int
    losses: int
    mcnemar_p: float
    p_better: float
    p_worse: float
    design_effect: float
    delta_accuracy: float
    delta_ci: Interval
    delta_macro_f1: float
    delta_macro_f1_ci: OptionalInterval


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of the decision. `settled`: more test notes would hardly change its result."""

    reference: Reference
    name: CheckName
    passed: bool
    settled: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in use before this run, compared on the same test notes.

    `why_not` explains why it was compared on part of them only, or not at all.
    """

    run: int
    accuracy: float | None
    paired: Paired | None
    why_not: str


@dataclass(frozen=True, slots=True)
class Bin:
    """Notes of similar confidence: its mean, the share of right answers, and the number of notes."""

    confidence: float
    accuracy: float
    accuracy_ci: Interval
    n: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well probabilities match the share of right answers.

    `ece_by_chance` is the expected calibration error that perfect probabilities would show on as many
    notes; `log_loss` is in nats per note.
    """

    bins: tuple[Bin, ...]
    ece: float
    ece_by_chance: float
    log_loss: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Reliability on the test notes, without (`plain`) and with (`scaled`) the fitted temperature.

    The temperature is fitted on `validation` notes; without any, it and `scaled` are None.
    """

    temperature: float | None
    validation: int
    plain: Reliability
    scaled: Reliability | None


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """(coverage, risk) points, the most confident notes first.

    Coverage is the share of notes answered, risk the share of those answers that are wrong. `aurc` is
    the area under the curve; `risk` is the risk at full coverage.
    """

    points: tuple[tuple[float, float], ...]
    aurc: float
    risk: float


@dataclass(frozen=True, slots=True)
class Sorting:
    """The test notes sorted with a threshold.

    `answered` is the share of notes that get a kind other than none, `right` the share of these that
    are right, `cost` the mean cost per note.
    """

    accuracy: float
    accuracy_ci: Interval
    answered: float
    right: float | None
    right_ci: Interval
    none_recall: float | None
    cost: float


@dataclass(frozen=True, slots=True)
class Abstention:
    """The threshold: notes whose answer is less probable stay unsorted (none).

    It has the lowest cost on `validation` notes, where a wrong kind costs 1 and an unsorted note
    `unsorted_cost`. `coverage` and `risk` are its point on the curve of `RiskCoverage`; `risk` is None
    where no answer is above the threshold.
    """

    threshold: float
    coverage: float
    risk: float | None
    unsorted_cost: float
    validation: int
    in_use: bool
    plain: Sorting
    thresholded: Sorting


@dataclass(frozen=True, slots=True)
class OutOfScope:
    """How well a model separates the `n` test notes of the kind none from all others.

    `recall` is the share of them answered none, `false_alarms` the share of the others answered none;
    `auroc` ranks notes by the probability of their most probable real kind.
    """

    kind: str
    n: int
    recall: float
    recall_ci: Interval
    false_alarms: float
    auroc: float | None
    auroc_ci: Interval


@dataclass(frozen=True, slots=True)
class TestExposures:
    """The test exposures of these test notes: their number, and that of the trained models among them.

    `optimism` is the expected gain in accuracy that choosing the best of as many equally good models
    would feign. `by` names each exposure.
    """

    looks: int
    models: int
    optimism: float
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """One training of the run; `validation_loss` is its lowest, in nats."""

    seed: int
    used: bool
    accuracy: float
    macro_f1: float
    validation_loss: float | None
    adapter_sha256: str


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """The size of each split. `made` of the training notes are augmentations; `cut` notes are longer
    than max_tokens; the test notes come from `groups` groups of near-duplicates."""

    fingerprint: str
    train: int
    made: int
    validation: int
    test: int
    groups: int
    cut: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A test note's true kind, and both models' answers with their probabilities.

    Probabilities are scaled by the fitted temperature if there is one.
    """

    source: str
    kind: str
    before: str
    after: str
    before_probability: float | None
    after_probability: float | None


@dataclass(frozen=True, slots=True)
class Change(Answer):
    """A test note that was fixed or broken, with its text."""

    text: str


@dataclass(frozen=True, slots=True)
class Training:
    """`losses` and `validation` are (optimizer step, loss) pairs; `seconds` is training time."""

    steps: int
    seconds: float
    losses: tuple[tuple[int, float], ...]
    validation: tuple[tuple[int, float], ...]
    adapter_sha256: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that the program chose automatically, and why: logged, and stored with the run."""

    name: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """An event of the run's log."""

    at: str
    event: str


@dataclass(frozen=True, slots=True)
class RecordedSpan:
    """A span of the run's time. `reason` is why it did not work; empty if it worked."""

    stage: str
    start: str
    end: str
    state: SpanState
    reason: SpanReason | Literal[""]


@dataclass(frozen=True, slots=True)
class Report:
    """One run, measured before and after training.

    `arm_notes`: how an arm was made, what went wrong with it, or why it is absent.
    `more_notes`: roughly how many more test notes would settle an inconclusive decision; None where it
    is settled, or where no feasible number would.
    `rivals`: the cheap arms that the challenger does not beat; those that are significantly better come
    first, then the most accurate.
    `calibration`, `risk_coverage`, `out_of_scope`: for the arms whose probabilities are known.
    `label_leaks`: what gives the kinds of the notes away; None if an earlier version did not look for it.
    `night`: the run's time in spans; `timeline`: its log. `settings`: the school's settings as TOML.
    """

    format: int
    run: int
    items: int
    arms: tuple[Arm, ...]
    arm_notes: Mapping[str, str]
    paired: Paired
    decision: Decision
    reason: str
    checks: tuple[Check, ...]
    more_notes: int | None
    rivals: tuple[ArmName, ...]
    champion: Champion | None
    calibration: Mapping[ArmName, Calibration]
    risk_coverage: Mapping[ArmName, RiskCoverage]
    out_of_scope: Mapping[ArmName, OutOfScope]
    abstention: Abstention | None
    looks: TestExposures
    seeds: tuple[Seed, ...]
    kinds: tuple[str, ...]
    base: str
    created: str
    dataset: DatasetSummary
    answers: tuple[Answer, ...]
    changes: tuple[Change, ...]
    training: Training
    chosen: tuple[Choice, ...]
    night: tuple[RecordedSpan, ...]
    timeline: tuple[TimelineEntry, ...]
    settings: str
    versions: Mapping[str, str]
    label_leaks: LabelLeaks | None = None

    def find_arm(self, name: ArmName) -> Arm | None:
        """The arm of that name, or None if it was not measured."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def arm(self, name: ArmName) -> Arm:
        """The arm of that name. Raises ReportError if it was not measured."""
        arm = self.find_arm(name)
        if arm is None:
            raise ReportError(
                f"the report of run {self.run} has no arm {name.value!r}",
                "restore its report.json, or make another report with `nightschool run --new`",
            )
        return arm
