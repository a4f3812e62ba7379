"""Which layout a base can take, found by trying it on a few short notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedConfig, PreTrainedModel

from nightschool.config.errors import first_line
from nightschool.learning.encoding import Encoded
from nightschool.learning.fast import attention
from nightschool.learning.fast.packing import Layout


def windows(config: PreTrainedConfig) -> tuple[tuple[str, int | None], ...]:
    """A base's layer types, each with its attention window in tokens (None: unlimited), from its config."""
    config = config.get_text_config()
    reach = getattr(config, "sliding_window", None)
    types = sorted(set(getattr(config, "layer_types", None) or []))
    if not types:
        return (("full_attention", reach),)
    return tuple((kind, reach if kind == "sliding_attention" else None) for kind in types)


@torch.no_grad()
def layout_for(
    model: PreTrainedModel | PeftModel, prefix: Sequence[int], padding: int, longest: int,
    kernel: str = "each",
) -> tuple[Layout, str]:  # fmt: skip
    """The best layout that a base can take, and the reason as text for the log.

    Packs need a base that keeps their notes apart: a note's logits must not change by a single bit with
    its neighbour's tokens, and must equal those of the note alone. Both are tried on short notes.
    `longest` is the length in tokens of the longest note with prompt and answer, `kernel` the device's
    `Precision.attention`.
    """
    rows = Layout(tuple(prefix), padding, model.device, model.dtype, "rows")
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    own = base.config._attn_implementation
    tokens = min(9, longest - len(prefix))
    row = rows.batch([probe(rows, 5, tokens)]).logits(model)[0].float()
    reach = windows(model.config)
    trouble = ""
    for packed in (replace(rows, way="segments"), replace(rows, way="mask", windows=reach)):
        narrow = [window for _, window in reach if window and window < longest]
        if packed.way == "segments":
            if narrow:
                continue
            packed = replace(packed, kernel=kernel)
            base.set_attn_implementation(attention.NAME)
        trouble = _trouble(model, packed, row, tokens)
        if not trouble:
            how = "masked" if packed.way == "mask" else "a sequence of its own for the kernel"
            return packed, f"one prompt, then the notes, without padding; each note is {how}"
        base.set_attn_implementation(own)
    return rows, f"rows of similar length: {type(base).__name__} takes no packs ({trouble})"


def probe(layout: Layout, start: int, tokens: int) -> Encoded:
    """A short note of arbitrary tokens."""
    return Encoded([*layout.prefix, *range(start, start + tokens)], [], -1, False)


@torch.no_grad()
def _trouble(
    model: PreTrainedModel | PeftModel, layout: Layout, row: torch.Tensor, tokens: int
) -> str:
    """Why a base cannot take packs, or ""; `row` has the logits of the probe with start 5 in a row."""
    one, other, second = (probe(layout, start, tokens) for start in (11, 23, 5))
    batches = [layout.batch(notes) for notes in ([one, second], [other, second], [second])]
    try:
        with_one, with_other, alone = (batch.logits(model)[-1].float() for batch in batches)
    except torch.OutOfMemoryError:
        raise  # not the base's fault
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError, AttributeError) as error:
        # A base with an attention of its own may reject ours with any error.
        return first_line(error)
    if not torch.equal(with_one, with_other):
        return "a note's logits change with its neighbour"
    most = slack(layout, row)
    if float((with_one - alone).abs().max()) > most or float((alone - row).abs().max()) > most:
        return "a note's logits differ from those of the note alone"
    return ""


def slack(layout: Layout, logits: torch.Tensor) -> float:
    """How far equal logits may differ, because kernels for other shapes round differently.

    64 units in the last place of the largest logit.
    """
    # Some bases compute parts in float32 in any case.
    eps = max(torch.finfo(layout.dtype).eps, torch.finfo(torch.float32).eps)
    return 64 * eps * float(logits.abs().max())
