"""Named sets of values for the settings: what an owner does not set comes from the preset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_PRESET = "rtx-8gb"
PRESETS: dict[str, dict[str, Any]] = {
    # An 8 GB card (RTX 2070, Turing): the QLoRA recipe that the settings' defaults hold.
    "rtx-8gb": {},
    # The shipped 8-million-parameter base on two CPU cores: a small model wants a high
    # learning rate, has memory to spare, and a run lasts minutes.
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
