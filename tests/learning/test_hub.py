"""Which folders are a base that can be trained on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BitsAndBytesConfig, Qwen2ForCausalLM

from nightschool.config.errors import LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning.base import load_base
from nightschool.learning.device import pick
from nightschool.learning.dtype_audit import held
from nightschool.learning.fast.packed_engine import PackedEngine
from nightschool.learning.hub import context_length, fingerprint, locate
from nightschool.learning.memory_plan import MemoryPlan, Shape
from tests.learning.conftest import task_on


def test_a_base_that_is_already_quantised_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "4-bit 基"
    four_bits = BitsAndBytesConfig(load_in_4bit=True)  # type: ignore[no-untyped-call]
    Qwen2ForCausalLM.from_pretrained(
        tiny_base, quantization_config=four_bits, device_map={"": "cpu"}
    ).save_pretrained(folder)
    with pytest.raises(
        LearningError, match=r"4-bit 基.*already quantised: set the 16-bit"
    ) as error:
        locate(str(folder), tmp_path)
    assert "\n" not in str(error.value)
    assert locate(str(tiny_base), tmp_path) == tiny_base


def test_a_base_that_fills_gaps_is_refused(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
    )
    BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(LearningError, match="bert is a masked language model"):
        load_base(tmp_path, pick(TrainSettings(device="cpu")), "none")


def test_no_training_begins_on_a_base_that_holds_bf16_where_that_is_kept_out(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = pick(TrainSettings(device="cpu", precision="fp32"))
    base = load_base(tiny_base, device, "none")
    assert not held(base)
    base.model.layers[1].mlp.to(dtype=torch.bfloat16)
    with pytest.raises(LearningError, match=r"parts of the base are in bf16 .*layers\.1\.mlp"):
        PackedEngine.prepare(base, task_on(tiny_base), MemoryPlan(100, 0, {}), device)


def test_a_config_that_leaves_much_to_its_architecture_is_read(tmp_path: Path) -> None:
    # What Gemma 3 4B's says of its text.
    text = {
        "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
        "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    }  # fmt: skip
    sees = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27}
    config = {"model_type": "gemma3", "text_config": text, "vision_config": sees}
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    assert context_length(tmp_path) == 131_072
    shape = Shape.read(tmp_path)
    assert (shape.layers, shape.heads, shape.kv_heads, shape.head_size) == (34, 8, 4, 256)
    assert shape.vocabulary == 262_208 and shape.tied
    assert shape.vision_parameters == 27 * (4 * 1152 * 1152 + 2 * 1152 * 4304)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "unheard-of"}, "unheard-of"),
        ({"model_type": "qwen2", "hidden_size": "many"}, "hidden_size"),
    ],
)
def test_an_unreadable_config_is_reported(
    tmp_path: Path, config: dict[str, str], said: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(LearningError, match=rf"no usable config\.json \(.*{said}") as error:
        context_length(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no FIFOs in folders")
def test_a_fifo_in_place_of_weights_is_no_endless_wait(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", "utf-8")
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(OSError, match="not a regular file"):
        fingerprint(tmp_path)
