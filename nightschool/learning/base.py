"""The base model, loaded frozen and quantised."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from nightschool.learning.adapter import quicken
from nightschool.learning.device import Device
from nightschool.learning.errors import LearningError
from nightschool.learning.layers import fuse_norms


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The base's tokenizer; text goes through it in parts, so it must not add special tokens itself."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise LearningError(f"{folder}: no usable tokenizer: {_first_line(error)}") from None
    return tokenizer


def load_base(folder: Path, device: Device, quantisation: str) -> PreTrainedModel:
    """The causal LM, frozen, in evaluation mode, its linear layers in NF4 where asked for."""
    if not sys.stderr.isatty():
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    dtype = device.precision.compute
    options: dict[str, Any] = {}
    if quantisation == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": str(device.torch)},
            **options,
        )
    except (OSError, ValueError) as error:
        raise LearningError(
            f"{folder}: the base model cannot be loaded: {_first_line(error)}"
        ) from None
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for module in model.modules():
        # On a CPU with AVX512-BF16 bitsandbytes repacks the weights for inference: scores would
        # differ between CPUs, and the packed layers have no backward pass.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    fuse_norms(model)
    model.train(False)
    return model


def attach(model: PreTrainedModel, adapter: Path) -> PeftModel:
    """The base with a trained adapter on it."""
    attached = PeftModel.from_pretrained(model, str(adapter))
    quicken(attached)
    return attached.eval()


def memory_gb(device: Device) -> float | None:
    """The most device memory that torch held so far, in GB (10^9 bytes); None on a CPU."""
    if device.torch.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device.torch) / 1e9


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
