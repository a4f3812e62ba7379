"""Early stopping on the validation split."""

from __future__ import annotations

from collections.abc import Sequence


def best_step(validation: Sequence[Sequence[float]]) -> int | None:
    """The step with the lowest validation loss, the first of equals; None before any was measured.

    `validation` holds [step, loss in nats] pairs in the order of the steps.
    """
    if not validation:
        return None
    return int(min(validation, key=lambda measured: measured[1])[0])


def should_end(validation: Sequence[Sequence[float]], patience: int) -> bool:
    """Whether training ends here: the last `patience` validations were no better than the best one.

    `validation` is as for `best_step`, one pair an epoch. A loss that equals the best is no better.
    With `patience` 0 training never ends early. It is a function of the run's history alone, which is
    in the checkpoint, so an interrupted run ends at the same step.

    The adapter that is kept is that of `best_step`, not of the step at which training ended: with a
    patience of 2 the last two epochs were tried and are thrown away.
    Goodfellow, Bengio, Courville 2016, "Deep Learning", algorithm 7.1.
    """
    if not patience or not validation:
        return False
    best = min(loss for _, loss in validation)
    first = next(number for number, (_, loss) in enumerate(validation) if loss == best)
    return len(validation) - 1 - first >= patience
