from __future__ import annotations

import pytest

from nightschool.config.errors import LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning.run_fingerprint import (
    RunFingerprint,
    changes_since,
    effective_settings,
    from_format_3,
)

NOW = RunFingerprint(
    dataset="d", prompt="p", base="b", settings={"lora_r": 4}, token_budget=300, device="cpu",
    kernels="torch", versions={"torch": "2.13"}, optimizer="AdamW", layout="segments",
)  # fmt: skip


def test_an_unchanged_run_has_no_changes() -> None:
    assert list(changes_since(NOW, NOW)) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"device": "GPU"}, "device was GPU and is now cpu"),
        ({"versions": {"torch": "2.12"}}, "torch was 2.12 and is now 2.13"),
        ({"versions": {}}, "torch was absent and is now 2.13"),
        ({"token_budget": 200}, "token budget was 200 and is now 300"),
        ({"kernels": "own"}, "kernels was own and is now torch"),
        ({"layout": "rows"}, "batch layout was rows and is now segments"),
        ({"graph_sizes": (64, 128)}, "CUDA graph sizes was 64, 128 and is now none"),
    ],
)
def test_a_changed_environment_is_reported(change: dict[str, object], line: str) -> None:
    (reported,) = changes_since(NOW.model_copy(update=change), NOW)
    assert reported == f"{line}: the run resumes, but is no longer bit-exact"


def test_a_setting_that_only_one_version_has_is_no_change() -> None:
    before = NOW.model_copy(update={"settings": {"lora_r": 4, "gone": 1, "layers": "all"}})
    now = NOW.model_copy(update={"settings": {"lora_r": 4, "new": 0}})
    assert list(changes_since(before, now)) == []


def test_a_removed_setting_that_was_in_effect_is_refused() -> None:
    before = NOW.model_copy(update={"settings": {"lora_r": 4, "layers": "top:8"}})
    with pytest.raises(LearningError, match=r"train\.layers = top:8, and this version does not"):
        list(changes_since(before, NOW))


def test_settings_that_change_no_number_are_left_out() -> None:
    settings = TrainSettings()
    other = settings.model_copy(update={"checkpoint_minutes": 99.0, "seeds": 3, "memory_gb": 1.0})
    assert effective_settings(settings) == effective_settings(other)
    assert effective_settings(settings)["lora_r"] == settings.lora_r


def test_the_fingerprint_of_version_0_1_0_is_read() -> None:
    old = {
        "dataset": "d", "prompt": "p", "base": "b", "recipe": '{"lora_r": 4}', "token budget": "300",
        "torch": "2.13", "device": "cpu", "kernels": "torch's", "optimizer": "AdamW",
        "batches": "segments", "passes": "eager", "lower layers": "run in each step",
    }  # fmt: skip
    assert from_format_3(old) == NOW
