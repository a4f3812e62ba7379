"""The closed vocabularies of a report: arms, decisions, checks, references, and what a run did when."""

from __future__ import annotations

from enum import StrEnum

from nightschool.ledger.outcomes import Outcome, Reason


class ArmName(StrEnum):
    """The comparison arms, from the cheapest to the run's own model."""

    MAJORITY = "majority"
    TFIDF_LR = "tfidf-lr"
    FEATURES_LR = "features-lr"
    EMBEDDINGS_LR = "embeddings-lr"
    ZERO_SHOT = "zero-shot"
    FEW_SHOT = "few-shot"
    SERVER = "server"
    BEFORE = "before"
    AFTER = "after"


CHEAP_ARMS = (ArmName.MAJORITY, ArmName.TFIDF_LR, ArmName.FEATURES_LR, ArmName.EMBEDDINGS_LR)
"""Arms that take seconds to train and next to nothing to use."""


class Decision(StrEnum):
    """Whether the challenger replaces the model in use."""

    PROMOTE = "promote"
    KEEP = "keep"
    INCONCLUSIVE = "inconclusive"


class CheckName(StrEnum):
    """The conditions of a promotion; see `scoring.decision`."""

    BETTER = "better"
    MACRO_F1 = "macro-F1"
    KINDS = "kinds"
    NONE = "none"
    CHEAP_ARMS = "cheap arms"


class Reference(StrEnum):
    """The model that a check compares the challenger with."""

    BEFORE = "before"
    CHAMPION = "champion"


class SpanState(StrEnum):
    """What a run did in a span of time."""

    WORKED = "worked"
    YIELDED = "aside"
    """It stopped because you or the computer needed the resources."""
    WAITED = "waited"
    """It was not its turn: no window was open, or no worker ran."""


class Waiting(StrEnum):
    """Why a run waits before the policy or an attempt gives a reason."""

    QUEUED = "queued"


SpanReason = Outcome | Reason | Waiting
"""Why a run did not work: how its last attempt ended, or what the policy decided since."""
