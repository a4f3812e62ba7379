"""The base model, loaded frozen and quantised."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import safetensors
import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from nightschool.config.errors import LearningError, first_line
from nightschool.learning import quantised
from nightschool.learning.device import Device
from nightschool.learning.fast.adapter import fuse_lora
from nightschool.learning.fast.layers import fuse_norms, fuse_swiglu


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The base's tokenizer. Raises LearningError if the folder has none."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise LearningError(f"{folder}: no usable tokenizer ({first_line(error)})") from None
    return tokenizer


def load_base(
    folder: Path,
    device: Device,
    quantisation: str,
    cache: Path | None = None,
    say: quantised.Say = quantised.silent,
) -> PreTrainedModel:
    """The causal LM, frozen and in evaluation mode; its linear layers in NF4 if `quantisation` is "nf4".

    With a `cache` folder, the 16-bit weights are read and quantised only once, with the same bits. `say`
    receives the cache's messages. Raises LearningError if the base cannot be loaded.
    """
    if not sys.stderr.isatty():
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    config = quantised.nf4(device.precision.compute) if quantisation == "nf4" else None
    read = partial(_from_16_bit, folder, device, config)
    if config is None or cache is None:
        model = read()
    else:
        model = quantised.load(cache, folder, device, config, read, say)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        # safetensors maps weights at any address, and MKL's sums may depend on their alignment to 64
        # bytes ("Conditional Numerical Reproducibility" in Intel's guide). NF4 is unpacked before use.
        if parameter.data_ptr() % 64 and getattr(parameter, "quant_state", None) is None:
            parameter.data = parameter.data.clone()
    for module in model.modules():
        # On CPUs with AVX512-BF16, bitsandbytes would repack the weights for inference: scores would
        # differ between CPUs, and repacked layers have no backward pass.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
    fuse_norms(model)
    fuse_swiglu(model)
    model.train(False)
    return model


def _from_16_bit(
    folder: Path, device: Device, config: BitsAndBytesConfig | None
) -> PreTrainedModel:
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=device.precision.compute,
            device_map={"": str(device.torch)},
            quantization_config=config,
        )
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise LearningError(
            f"{folder}: the base model cannot be loaded ({first_line(error)})"
        ) from None
    kind = model.config.model_type
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(model.config, "is_decoder", False):
        raise LearningError(
            f"{folder}: {kind} is a masked language model, which cannot continue a text",
            "set a decoder-only base (Qwen, Llama, Mistral, Gemma, Phi), then `run --new`",
        )
    return model


def attach(model: PreTrainedModel, adapter: Path) -> PeftModel:
    """The base with a trained adapter attached, in evaluation mode."""
    # Otherwise peft loads onto a GPU if there is one, even for a base on the CPU.
    attached = PeftModel.from_pretrained(model, str(adapter), torch_device=str(model.device))
    fuse_lora(attached)
    return attached.eval()


def memory_gb(device: Device) -> float | None:
    """The peak of torch's device memory in this process, in GB (10^9 bytes); None on a CPU."""
    if device.torch.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device.torch) / 1e9
