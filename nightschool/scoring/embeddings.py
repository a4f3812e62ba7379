"""Sentence embeddings from a local model in the format of sentence-transformers.

The model is read with transformers; the package sentence-transformers is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from nightschool.config import bounded_json
from nightschool.config.errors import LearningError, Stopped, first_line
from nightschool.learning.base_check import check_files, refusing
from nightschool.learning.fast.packing import split_rows
from nightschool.learning.phases import loading, phase

Pooling = Literal["mean", "cls", "last"]

# Maximum padded tokens per pass, and maximum tokens per text.
_BUDGET, _MOST = 4096, 2048
_POOLINGS: dict[str, Pooling] = {
    "mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls", "lasttoken": "last",
}  # fmt: skip
# Modules of a sentence-transformers model that are implemented here, or change no answer.
# Bytes of a file that says how to use a model.
_LARGEST = 1_000_000
_OTHER = "set embeddings to another model"
_KNOWN = ("Transformer", "Pooling", "Normalize")


@torch.no_grad()
def embed(
    folder: Path,
    texts: Sequence[str],
    device: torch.device,
    should_stop: Callable[[], bool] = lambda: False,
) -> NDArray[np.float32]:
    """Each text's embedding, shape (texts, width), of norm 1; longer texts are cut.

    Raises LearningError if the folder has no usable model, Stopped between two passes.
    """
    weights = check_files(folder)
    with refusing(f"{folder} has no usable model", _OTHER):
        pooling, prompt, limit = _recipe(folder)
    with phase(loading(weights.size)), refusing(f"{folder} has no usable model", _OTHER):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    model.to(device).eval()
    made_for = limit or getattr(model.config, "max_position_embeddings", None) or _MOST
    limit = min(made_for, tokenizer.model_max_length, _MOST)
    with refusing(f"{folder}: its tokenizer fails on a text", _OTHER):
        rows = [tokenizer(prompt + text, truncation=True, max_length=limit) for text in texts]
    embeddings = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    for part in split_rows([len(row["input_ids"]) for row in rows], _BUDGET, len(rows)):
        if should_stop():
            raise Stopped
        batch = tokenizer.pad([rows[index] for index in part], return_tensors="pt").to(device)
        hidden = model(**batch).last_hidden_state.float()
        pooled = _pooled(hidden, batch["attention_mask"], pooling)
        embeddings[part] = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
    return embeddings


def _pooled(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Hidden states, shape (rows, columns, width), pooled to one vector per row: shape (rows, width)."""
    rows = torch.arange(len(hidden), device=hidden.device)
    columns = torch.arange(hidden.shape[1], device=hidden.device)
    present = mask.bool()
    if pooling == "cls":
        return hidden[rows, present.int().argmax(1)]
    if pooling == "last":
        return hidden[rows, (columns * present).argmax(1)]
    weights = mask[:, :, None].to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def _recipe(folder: Path) -> tuple[Pooling, str, int | None]:
    """A model's pooling, the prompt before each text, and its maximum number of tokens.

    Defaults, if the model's files do not say: the mean, no prompt, and None.
    """
    modules = _json(folder / "modules.json", [])
    names = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if unknown := [name for name in names if name not in _KNOWN]:
        raise LearningError(
            f"{folder}: a model with a module {unknown[0]!r} cannot be used here, only one of "
            f"{', '.join(_KNOWN)}"
        )
    paths = [m.get("path", "") for m, name in zip(modules, names, strict=True) if name == "Pooling"]
    if any(Path(path).is_absolute() or ".." in Path(path).parts for path in paths):
        raise LearningError(f"{folder / 'modules.json'} names a folder elsewhere", _OTHER)
    pooling_config = _json(folder / paths[0] / "config.json", {}) if paths else {}
    modes = pooling_config.get("pooling_mode") or [
        key.removeprefix("pooling_mode_")
        for key, on in pooling_config.items()
        if key.startswith("pooling_mode_") and on is True
    ]
    modes = [modes] if isinstance(modes, str) else modes or ["mean"]
    if len(modes) > 1 or modes[0] not in _POOLINGS:
        raise LearningError(f"{folder}: pooling by {', '.join(modes)} cannot be used here")
    config = _json(folder / "config_sentence_transformers.json", {})
    prompts = {str(name).lower(): text for name, text in (config.get("prompts") or {}).items()}
    default = str(config.get("default_prompt_name") or "").lower()
    prompt = prompts.get("classification") or prompts.get(default) or ""
    limit = _json(folder / "sentence_bert_config.json", {}).get("max_seq_length")
    return _POOLINGS[modes[0]], prompt, limit


def _json(file: Path, otherwise: Any) -> Any:
    try:
        return bounded_json.read(file, _LARGEST)
    except FileNotFoundError:
        return otherwise
    except (OSError, ValueError) as error:
        raise LearningError(f"{file} cannot be read: {first_line(error)}") from None
