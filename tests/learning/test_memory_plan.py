from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.errors import DeviceBusy, LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning.memory_plan import (
    GRAPHS,
    DataSize,
    MemoryLimit,
    MemoryNeed,
    MemoryPlan,
    Shape,
    choose,
    context_bytes,
    refit,
    smaller,
)

QWEN_3B = Shape.of(
    {
        "vocab_size": 151_936, "hidden_size": 2048, "intermediate_size": 11008,
        "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2,
        "tie_word_embeddings": True, "hidden_act": "silu", "model_type": "qwen2",
    }
)  # fmt: skip
# The benchmark's 576 examples (benchmarks/train_step.py).
DATA = DataSize(longest=1027, prefix=150, step=5314, answer_tokens=4)


def need(settings: TrainSettings | None = None) -> MemoryNeed:
    return MemoryNeed(QWEN_3B, settings or TrainSettings(), DATA, 2)


def room(gigabytes: float, alone: float = 0.0) -> MemoryLimit:
    context = context_bytes(36)  # an RTX 2070 has 36 multiprocessors
    return MemoryLimit(round(gigabytes * 1e9), round((alone or gigabytes) * 1e9), context)


def test_the_prediction_is_the_peak_that_was_measured() -> None:
    # One H100, torch 2.11: bf16, `--arm packed --memory-gb 8`, all that the GPU had in use.
    plan, _ = choose(need(), MemoryLimit(8_000_000_000, 8_000_000_000, context_bytes(132)))
    assert (plan.budget, plan.recomputed) == (5314, 30)
    assert plan.total == pytest.approx(7.748e9, rel=0.02)


@given(st.floats(3.4, 80.0))
def test_what_is_chosen_fits_and_more_memory_never_costs_more(gigabytes: float) -> None:
    plan, choices = choose(need(), room(gigabytes))
    assert plan.total <= gigabytes * 1e9
    assert plan.budget >= DATA.prefix + DATA.longest
    assert all(choice.reason for choice in choices)
    more, _ = choose(need(), room(gigabytes * 1.5))
    assert (more.graphs, more.budget, -more.recomputed) >= (
        plan.graphs, plan.budget, -plan.recomputed,
    )  # fmt: skip


def test_graphs_are_the_first_to_go_where_memory_is_short() -> None:
    sizes = [3.0 + 0.02 * n for n in range(60)]
    plans = []
    for size in sizes:
        try:
            plans.append(choose(need(), room(size))[0])
        except LearningError:
            continue
    assert plans[0].graphs == 0 and plans[-1].graphs == GRAPHS[0]


def test_a_part_that_sees_images_takes_memory() -> None:
    plan, _ = choose(need(), room(8))
    sees = replace(need(), shape=replace(QWEN_3B, vision_parameters=400_000_000))
    more = sees.plan(plan.budget, plan.recomputed, plan.graphs, plan.bytes["context"])
    assert more.bytes["weights"] - plan.bytes["weights"] == pytest.approx(0.206e9, rel=0.01)


def test_the_error_about_too_little_memory_gives_what_is_needed() -> None:
    with pytest.raises(LearningError, match=r"needs 3\.\d GB .* 2\.0 GB may be used") as error:
        choose(need(), room(2))
    assert "\n" not in str(error.value)


def test_the_error_names_train_memory_gb_if_that_is_the_limit() -> None:
    with pytest.raises(LearningError, match=r"raise train\.memory_gb"):
        choose(need(TrainSettings(memory_gb=2.0)), room(2))


def test_memory_that_other_programs_hold_is_waited_for() -> None:
    with pytest.raises(DeviceBusy, match=r"needs 3\.\d GB .* 2\.0 GB are free: other programs"):
        choose(need(), room(2, alone=7.5))


def test_with_less_memory_more_layers_are_recomputed() -> None:
    plan, _ = choose(need(), room(7.5))
    assert refit(need(), plan, room(9)) is plan
    deeper = refit(need(), plan, room(7.0, alone=7.5))
    assert (deeper.budget, deeper.graphs) == (plan.budget, plan.graphs)
    assert deeper.recomputed > plan.recomputed and deeper.total <= 7.0e9
    with pytest.raises(DeviceBusy, match="other programs"):
        refit(need(), plan, room(3, alone=7.5))


def test_on_a_smaller_device_a_run_has_another_plan() -> None:
    plan, _ = choose(need(), room(80))
    less = refit(need(), plan, room(4.0))
    assert less == choose(need(), room(4.0))[0]


def test_plans_shrink_step_by_step() -> None:
    plan, _ = choose(need(), room(12))
    tried, less = [plan], smaller(need(), plan)
    while less:
        tried.append(less)
        less = smaller(need(), less)
    assert tried[1].recomputed == 36 and tried[1].budget == plan.budget
    assert (tried[-1].budget, tried[-1].graphs) == (1177, 0)
    totals = [one.total for one in tried]
    assert totals == sorted(totals, reverse=True)  # what was predicted for it goes along
    for one in tried:
        assert one == need().plan(one.budget, one.recomputed, one.graphs, one.bytes["context"])


def test_without_a_limit_and_against_recomputing_only_passes_become_smaller() -> None:
    kept = need(TrainSettings(activation_checkpointing="none"))
    assert smaller(kept, MemoryPlan(2600, 0, {})) == MemoryPlan(1300, 0, {})


def test_the_error_names_what_a_config_lacks() -> None:
    with pytest.raises(LearningError, match="num_attention_heads"):
        Shape.of({"hidden_size": 8})
