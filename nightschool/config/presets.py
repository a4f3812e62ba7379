"""Presets: named sets of values for the settings that `nightschool.toml` does not set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_PRESET = "rtx-8gb"
PRESETS: dict[str, dict[str, Any]] = {
    # For an 8 GB GPU (RTX 2070, Turing): the defaults of the settings are its QLoRA recipe.
    "rtx-8gb": {},
    # For the included base model of 8 million parameters on two CPU cores: it needs a high learning
    # rate and little memory, and a run takes minutes.
    "cpu-demo": {
        "base": "demo",
        "train": {
            "epochs": 6.0,
            "patience": 0,
            "learning_rate": 1e-3,
            "warmup": 0.06,
            "max_tokens": 320,
            "lora_dropout": 0.0,
            "optimizer": "adamw",
            "activation_checkpointing": "none",
            "checkpoint_minutes": 0.1,
            "chunk_minutes": 2.0,
            "device": "cpu",
        },
    },
}


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `over`, and those of `under` that it does not set; nested tables are merged."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = (
            merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return result
