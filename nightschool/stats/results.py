"""The report as plain data: what `nightschool report --json` prints and every file here reads.

Shares, scores, probabilities and intervals are fractions from 0 to 1; differences (`delta_*`) are
fractions from -1 to 1, after minus before. Intervals are [low, high] at 95 %, by group. Times are
ISO 8601 with an offset. Every number is finite. All keys are always there; lists may be empty, and a
value is None (an interval empty) where it was not measured.
"""

from typing import Literal, TypedDict

FORMAT = 2

ArmName = Literal[
    "majority", "tfidf-lr", "features-lr", "embeddings-lr", "zero-shot", "few-shot", "server",
    "before", "after",
]  # fmt: skip
CHEAP_ARMS: tuple[ArmName, ...] = ("majority", "tfidf-lr", "features-lr", "embeddings-lr")
"""What costs seconds to train and next to nothing to use."""
Decision = Literal["promote", "keep", "inconclusive"]
CheckName = Literal["better", "macro-F1", "kinds", "none", "cheap arms"]
Reference = Literal["before", "champion"]


class KindScores(TypedDict):
    """One arm's scores on one kind; `n` is how many test notes are truly of this kind."""

    precision: float
    recall: float
    recall_ci: list[float]
    f1: float
    n: int


class Arm(TypedDict):
    """One classifier on the test notes; `confusion` counts true kind -> predicted kind.

    `after_better` is the probability that the night's model is better than this arm: see `Paired`.
    """

    name: ArmName
    accuracy: float
    accuracy_ci: list[float]
    macro_f1: float
    macro_f1_ci: list[float]
    per_kind: dict[str, KindScores]
    confusion: dict[str, dict[str, int]]
    after_better: float | None


class Paired(TypedDict):
    """New answers against earlier ones, note by note: `wins` were fixed, `losses` were broken.

    `p_better` is the probability that the new ones are better, by group and under the prior most
    sceptical of it: at least that. `p_worse` is the same for worse; the two need not sum to 1.
    `design_effect` is by how much groups widen the variance. `mcnemar_p` takes notes for independent.
    """

    wins: int
    losses: int
    mcnemar_p: float
    p_better: float
    p_worse: float
    design_effect: float
    delta_accuracy: float
    delta_ci: list[float]
    delta_macro_f1: float
    delta_macro_f1_ci: list[float]


class Check(TypedDict):
    """One condition of the decision. `settled` is whether more test notes would hardly change it."""

    reference: Reference
    name: CheckName
    passed: bool
    settled: bool
    detail: str


class Champion(TypedDict):
    """The model in use before this run: compared on the same test notes, or why it was not, or not on all
    of them."""

    run: int
    accuracy: float | None
    paired: Paired | None
    why_not: str


class Bin(TypedDict):
    """Notes of similar confidence: the mean of it, the share that is right, and how many they are."""

    confidence: float
    accuracy: float
    accuracy_ci: list[float]
    n: int


class Reliability(TypedDict):
    """How far probabilities can be believed. `ece_by_chance` is what as many notes with perfectly
    believable probabilities would show; `log_loss` is in nats a note."""

    bins: list[Bin]
    ece: float
    ece_by_chance: float
    log_loss: float


class Calibration(TypedDict):
    """On the test notes, as the model says it and with the temperature that validation gave.

    `validation` is how many notes that was fitted on; without any, temperature and `scaled` are None.
    """

    temperature: float | None
    validation: int
    plain: Reliability
    scaled: Reliability | None


class RiskCoverage(TypedDict):
    """[coverage, risk] pairs, the surest notes first: the share that is answered, and of that what is
    wrong. `aurc` is the area under them; `risk` is that of answering all."""

    points: list[list[float]]
    aurc: float
    risk: float


class Sorting(TypedDict):
    """What an owner gets on the test notes: `answered` is the share that is given a kind other than
    none, `right` the share of those that is right, `cost` the mean cost of a note."""

    accuracy: float
    accuracy_ci: list[float]
    answered: float
    right: float | None
    right_ci: list[float]
    none_recall: float | None
    cost: float


class Abstention(TypedDict):
    """Below `threshold` a note is left unsorted (none). The threshold is that with the least cost on
    `validation` notes, where a wrong kind costs 1 and a note that is left unsorted `unsorted_cost`.

    Its place on the curve of `RiskCoverage`: the answers to `coverage` of the notes stand, whatever they
    are, and `risk` of these are wrong (None where none stands).
    """

    threshold: float
    coverage: float
    risk: float | None
    unsorted_cost: float
    validation: int
    in_use: bool
    plain: Sorting
    thresholded: Sorting


class OutOfScope(TypedDict):
    """How well notes of the kind none are told from all others: `n` of them among the test notes.

    `recall` is the share of them that is answered none, `false_alarms` the share of the others that
    is; `auroc` ranks notes by the probability of their likeliest real kind.
    """

    kind: str
    n: int
    recall: float
    recall_ci: list[float]
    false_alarms: float
    auroc: float | None
    auroc_ci: list[float]


class TestExposures(TypedDict):
    """How often these test notes were looked at: by all that answered them, and by trained models.

    `optimism` is by how much the best of so many equally good models looks better than it is.
    """

    looks: int
    models: int
    optimism: float
    by: list[str]


class Seed(TypedDict):
    """One training of the run; `validation_loss` is its best, in nats."""

    seed: int
    used: bool
    accuracy: float
    macro_f1: float
    validation_loss: float | None
    adapter_sha256: str


class DatasetSummary(TypedDict):
    """What the run learnt from and was tested on; `made` of the training notes were made from others, `cut`
    notes were cut at max_tokens, and the test notes are of `groups` groups of near-copies."""

    fingerprint: str
    train: int
    made: int
    validation: int
    test: int
    groups: int
    cut: int
    warnings: list[str]


class Answer(TypedDict):
    """A test note's true kind, both answers, and each model's probability of its own answer, corrected by
    its temperature where validation gave one."""

    source: str
    kind: str
    before: str
    after: str
    before_probability: float | None
    after_probability: float | None


class Change(Answer):
    """A test note whose answer became right (fixed) or wrong (broke), with its text."""

    text: str


class Training(TypedDict):
    """`losses` and `validation` are [optimizer step, loss] pairs; `seconds` is training time."""

    steps: int
    seconds: float
    losses: list[list[float]]
    validation: list[list[float]]
    adapter_sha256: str


class RecordedChoice(TypedDict):
    """A value that the program chose by itself, and why."""

    name: str
    value: str
    reason: str


class TimelineEntry(TypedDict):
    """Something that happened to the run."""

    at: str
    event: str


class Stretch(TypedDict):
    """A stretch of the run: `stage` worked, or for `reason` (as the ledger has it) it stepped aside or
    waited for its time."""

    stage: str
    start: str
    end: str
    state: Literal["worked", "aside", "waited"]
    reason: str


class Report(TypedDict):
    """One run, measured before and after. `settings` is the school's TOML text.

    `arm_notes` says by arm how it was made, what went wrong with it, or why it is absent.

    `more_notes` is about how many more test notes would settle an inconclusive decision; None where
    it is settled, or where no number within reach would. `rivals` are the cheap arms that the night's
    model does not beat, those first that are better beyond chance, then the most accurate. `calibration`,
    `risk_coverage` and `out_of_scope` are by arm, for those whose probabilities are known.
    """

    format: int
    run: int
    items: int
    arms: list[Arm]
    arm_notes: dict[str, str]
    paired: Paired
    decision: Decision
    reason: str
    checks: list[Check]
    more_notes: int | None
    rivals: list[ArmName]
    champion: Champion | None
    calibration: dict[str, Calibration]
    risk_coverage: dict[str, RiskCoverage]
    out_of_scope: dict[str, OutOfScope]
    abstention: Abstention | None
    looks: TestExposures
    seeds: list[Seed]
    kinds: list[str]
    base: str
    created: str
    dataset: DatasetSummary
    answers: list[Answer]
    changes: list[Change]
    training: Training
    chosen: list[RecordedChoice]
    night: list[Stretch]
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
