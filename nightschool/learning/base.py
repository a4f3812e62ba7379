"""The base model, loaded frozen and quantised."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from transformers import (
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from nightschool.config.errors import BaseModelError
from nightschool.learning import quantised
from nightschool.learning.base_check import (
    OTHER_ADAPTER,
    OTHER_BASE,
    WeightHeaders,
    check_adapter,
    read_weights,
    refusing,
)
from nightschool.learning.device import Device, out_of_memory
from nightschool.learning.fast.adapter import fuse_lora
from nightschool.learning.fast.layers import fuse_norms, fuse_swiglu
from nightschool.learning.phases import TOKENIZER, loading, phase
from nightschool.learning.truncation import tokens
from nightschool.learning.weight_loading import load_weights

# Runs of like characters, on which regular expressions take longest.
_RUNS = "".join(
    run * 1000 + "\u2063" for run in ("a", "A", "1", " ", "\n", "!", "あ", "é", "a ", "a1")
)
_NF4_BYTES = 0.56


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The base's tokenizer, tried on what takes hostile ones for ever. Raises BaseModelError."""
    with phase(TOKENIZER), refusing(f"{folder}: no usable tokenizer"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False
        )
        tokens(tokenizer, _RUNS)
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
    receives the cache's messages. Raises BaseModelError if the base cannot be loaded.
    """
    if not sys.stderr.isatty():
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    config = quantised.nf4(device.precision.compute) if quantisation == "nf4" else None
    weights = read_weights(folder)
    _check_memory(folder, weights, device, config is not None)
    read = partial(_from_16_bit, folder, device, config)
    with phase(loading(weights.size)):
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
    with refusing(f"{folder}: the base model cannot be loaded"):
        try:
            model, info = load_weights(folder, device, quantization_config=config)
        except RuntimeError as error:
            if out_of_memory(error):
                raise torch.OutOfMemoryError(str(error)) from error
            raise
        # transformers would fill these with random numbers.
        if absent := sorted(map(str, info["missing_keys"])):
            raise ValueError(f"its weights lack {len(absent)} parts, such as {absent[0]}")
    kind = model.config.model_type
    if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(model.config, "is_decoder", False):
        raise BaseModelError(
            f"{folder}: {kind} is a masked language model, which cannot continue a text",
            "set a decoder-only base (Qwen, Llama, Mistral, Gemma, Phi), then `run --new`",
        )
    return model


def attach(model: PreTrainedModel, adapter: Path) -> PeftModel:
    """The base with a trained adapter attached, in evaluation mode. Raises BaseModelError."""
    weights = check_adapter(adapter)
    with refusing(f"{adapter}: the adapter does not fit the base", OTHER_ADAPTER):
        # Otherwise peft loads onto a GPU if there is one, even for a base on the CPU.
        attached = PeftModel.from_pretrained(model, str(adapter), torch_device=str(model.device))
        if get_peft_model_state_dict(attached).keys() != weights.tensors.keys():
            raise ValueError("its layers are others")
    fuse_lora(attached)
    return attached.eval()


def _check_memory(folder: Path, weights: WeightHeaders, device: Device, nf4: bool) -> None:
    """Refuse a base that no memory of this computer could hold; a GPU has its own plan."""
    import psutil  # lazy: psutil

    each = _NF4_BYTES if nf4 else device.precision.compute.itemsize
    needed = weights.parameters * each
    there = psutil.virtual_memory().total + psutil.swap_memory().total
    if device.torch.type == "cpu" and needed > there:
        raise BaseModelError(
            f"{folder} needs {needed / 1e9:.0f} GB of memory, but this computer has {there / 1e9:.0f} GB",
            OTHER_BASE,
        )


def memory_gb(device: Device) -> float | None:
    """The peak of torch's device memory in this process, in GB (10^9 bytes); None on a CPU."""
    if device.torch.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device.torch) / 1e9
