"""Early stopping on the validation split."""

from __future__ import annotations

from collections.abc import Sequence


def best_step(validation: Sequence[Sequence[float]]) -> int | None:
    """The first step with the lowest validation loss; None before the first validation.

    `validation` holds [step, loss in nats] pairs in the order of the steps.
    """
    if not validation:
        return None
    return int(min(validation, key=lambda measured: measured[1])[0])


def should_end(validation: Sequence[Sequence[float]], patience: int) -> bool:
    """Whether training ends now: none of the last `patience` validations improved on the best one.

    `validation` is as for `best_step`, with one pair per epoch. An equal loss is no improvement. With a
    `patience` of 0, training never ends early. The result depends only on the run's history, which is in
    the checkpoint, so an interrupted run ends at the same step.

    The adapter of `best_step` is kept, not that of the last step: with a patience of 2, the last two
    epochs are discarded. Goodfellow, Bengio, Courville 2016, "Deep Learning", algorithm 7.1.
    """
    if not patience or not validation:
        return False
    best = min(loss for _, loss in validation)
    first = next(number for number, (_, loss) in enumerate(validation) if loss == best)
    return len(validation) - 1 - first >= patience
