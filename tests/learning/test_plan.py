from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.settings import TrainSettings
from nightschool.learning.errors import LearningError
from nightschool.learning.plan import GRAPHS, Load, Room, Shape, choose, context_bytes

QWEN_3B = Shape.of(
    {
        "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 11008,
        "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2,
        "tie_word_embeddings": True, "hidden_act": "silu", "model_type": "qwen2",
    }
)  # fmt: skip
# The benchmark's 576 examples (benchmarks/train_step.py).
LOAD = Load(longest=1027, prefix=150, step=5314, asked=4)


def room(gigabytes: float) -> Room:
    return Room(round(gigabytes * 1e9), context_bytes(36))  # an RTX 2070 has 36 multiprocessors


def test_the_prediction_is_the_peak_that_was_measured() -> None:
    # One H100, torch 2.11: bf16, `--arm packed --memory-gb 8`, all that the GPU had in use.
    settings = TrainSettings()
    plan, _ = choose(QWEN_3B, settings, LOAD, 2, Room(8_000_000_000, context_bytes(132)))
    assert (plan.budget, plan.recomputed) == (5314, 30)
    assert plan.total == pytest.approx(7.748e9, rel=0.02)


@given(st.floats(3.4, 80.0), st.sampled_from([0, 12]))
def test_what_is_chosen_fits_and_more_memory_never_costs_more(gigabytes: float, top: int) -> None:
    settings = TrainSettings(layers=f"top:{top}" if top else "all")
    plan, choices = choose(QWEN_3B, settings, LOAD, 2, room(gigabytes))
    assert plan.total <= gigabytes * 1e9
    assert plan.budget >= LOAD.prefix + LOAD.longest
    assert all(choice.reason for choice in choices)
    more, _ = choose(QWEN_3B, settings, LOAD, 2, room(gigabytes * 1.5))
    assert (more.graphs, more.budget, -more.recomputed) >= (
        plan.graphs, plan.budget, -plan.recomputed,
    )  # fmt: skip


def test_graphs_are_the_first_to_go_where_memory_is_short() -> None:
    sizes = [3.0 + 0.02 * n for n in range(60)]
    plans = []
    for size in sizes:
        try:
            plans.append(choose(QWEN_3B, TrainSettings(), LOAD, 2, room(size))[0])
        except LearningError:
            continue
    assert plans[0].graphs == 0 and plans[-1].graphs == GRAPHS[0]


def test_too_little_memory_is_said_with_what_is_needed() -> None:
    with pytest.raises(LearningError, match=r"needs 3\.\d GB .* 2\.0 GB may be used") as error:
        choose(QWEN_3B, TrainSettings(), LOAD, 2, room(2))
    assert "\n" not in str(error.value)


def test_a_config_that_says_too_little_is_named() -> None:
    with pytest.raises(LearningError, match="num_attention_heads"):
        Shape.of({"hidden_size": 8})
