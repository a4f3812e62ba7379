"""Loading a causal language model with transformers: no code of its folder runs, and nothing is unpickled."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, PreTrainedModel

from nightschool.learning.device import Device


def load_weights(
    folder: Path, device: Device, **options: Any
) -> tuple[PreTrainedModel, Mapping[str, Collection[Any]]]:
    """The model in a folder, and what did not fit ("missing_keys" ...); `options` are of `from_pretrained`.

    A `quantization_config`, even None, replaces the one that was saved with the model.
    """
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=device.precision.compute,
        device_map={"": str(device.torch)},
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        **options,
    )
    model, info = loaded
    return model, info
