"""The memory plan: tokens per micro-batch, recomputed layers, CUDA graphs, and the bytes that these take.

Arithmetic on a base's config: no weights are loaded, and torch is only needed to read the config.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightschool.config.errors import BaseModelError, DeviceBusy, LearningError, first_line
from nightschool.config.settings import TrainSettings
from nightschool.learning.hub import read_config
from nightschool.stats.results import Choice

if TYPE_CHECKING:
    from nightschool.learning.encoding import Encoded

# Bytes of a CUDA graph's nodes per layer, which torch does not allocate (measured: H100, torch 2.11).
_GRAPH_BYTES = 810_000
# cuBLAS's workspaces, which torch allocates: 32 MiB for each of two streams.
_WORK_AREAS = 2 << 25
# The share of its memory that the allocator loses to fragmentation (H100: 0.03 to 0.05).
SLACK = 0.05
# Numbers of CUDA graphs in a run (see `fast/graphs.py`), in order of preference. More sizes leave less
# padding, but each graph takes memory, and about a step's time to capture.
GRAPHS = (8, 4, 2, 1, 0)
_DECODERS = "use a decoder-only causal LM (Qwen, Llama, Mistral, Gemma, Phi)"
# Smaller micro-batches are almost only overhead.
LEAST_BUDGET = 256
_FOUR_BITS = 0.5 + 1 / 64 + 4 / (64 * 256)  # NF4: a byte per block of 64, a float per 256 of these


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """How much device memory a process may use."""

    bytes: int
    bytes_if_alone: int
    """The limit if no other program used the device's memory"""
    context: int
    """Bytes of the limit that the CUDA context takes, with the kernels loaded into it"""


def context_bytes(multiprocessors: int) -> int:
    """Approximate bytes of a CUDA context with all kernels of a training.

    Measured on one card: 0.86 GB on an H100, which has 132 multiprocessors. That it grows with their
    number is an assumption; it was not measured on smaller cards.
    """
    return 100_000_000 + 5_800_000 * multiprocessors


@dataclass(frozen=True, slots=True)
class Shape:
    """The values of a base's config that determine memory and arithmetic."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    tied: bool
    fused: bool
    """Whether its MLPs use the fused SwiGLU kernel on CUDA"""
    vision_parameters: int
    """Parameters of the vision tower, which is loaded although no note passes through it"""

    @property
    def linears(self) -> list[tuple[int, int]]:
        """(in, out) of a layer's linear maps; fused ones (Phi) count as their parts."""
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        return [
            (self.hidden, queries), (self.hidden, keys), (self.hidden, keys), (queries, self.hidden),
            (self.hidden, self.intermediate), (self.hidden, self.intermediate),
            (self.intermediate, self.hidden),
        ]  # fmt: skip

    @property
    def layer_parameters(self) -> int:
        return sum(a * b for a, b in self.linears)

    @classmethod
    def read(cls, folder: Path) -> Shape:
        """From the config.json in a base's folder; see `of` and `read_config`."""
        return cls.of(read_config(folder))

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """From a base's config. Raises LearningError if a required value is missing."""
        tied = bool(config.get("tie_word_embeddings", True))
        sees = config.get("vision_config") or {}
        width, inner, depth = (
            int(sees.get(name) or 0)
            for name in ("hidden_size", "intermediate_size", "num_hidden_layers")
        )
        config = config.get("text_config") or config
        try:
            heads = int(config["num_attention_heads"])
            hidden = int(config["hidden_size"])
            return cls(
                layers=int(config["num_hidden_layers"]),
                hidden=hidden,
                intermediate=int(config["intermediate_size"]),
                heads=heads,
                kv_heads=int(config.get("num_key_value_heads") or heads),
                head_size=int(config.get("head_dim") or hidden // heads),
                vocabulary=int(config["vocab_size"]),
                tied=tied,
                fused=config.get("hidden_act") == "silu" and config.get("model_type") != "phi3",
                vision_parameters=depth * (4 * width * width + 2 * width * inner),
            )
        except KeyError as error:
            raise BaseModelError(
                f"the base's config.json has no {error}, so its architecture is not supported",
                _DECODERS,
            ) from None
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise BaseModelError(
                f"the base's config.json does not describe a decoder ({first_line(error)})",
                _DECODERS,
            ) from None


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a run uses its device. Fixed at its first chunk, because another plan would round differently."""

    budget: int
    """Most tokens per micro-batch"""
    recomputed: int
    """Number of layers, from the lowest, whose activations the backward pass recomputes"""
    bytes: Mapping[str, int]
    """Predicted peak bytes, item by item; empty if memory is not limited (on a CPU)"""
    graphs: int = GRAPHS[0]
    """Number of sizes that micro-batches are padded to, with a CUDA graph for each; 0: eager"""

    @property
    def total(self) -> int:
        return sum(self.bytes.values())

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "bytes": dict(self.bytes)}


@dataclass(frozen=True, slots=True)
class DataSize:
    """The lengths of a run's data that determine its memory, in tokens."""

    longest: int
    """The longest training note with its answer, without the shared prompt"""
    prefix: int
    """The shared prompt"""
    step: int
    """The largest optimizer step as one pack"""
    answer_tokens: int
    """The longest answer"""
    validation: int = 0
    """The longest validation note with prompt and answer; 0: there are none"""


def validation_budget(budget: int) -> int:
    """Most tokens in a forward pass without gradients: fewer, because graphs do not share their memory."""
    return max(LEAST_BUDGET, budget // 4)


def data_size_of(
    notes: Sequence[Encoded], prefix: Sequence[int], steps: Iterable[Sequence[int]],
    validation: Sequence[Encoded] = (),
) -> DataSize:  # fmt: skip
    """The data size of a training; `steps` are the indices of each optimizer step's notes."""
    lengths = [len(note.prompt) + len(note.answer) - 1 - len(prefix) for note in notes]
    return DataSize(
        longest=max(lengths),
        prefix=len(prefix),
        step=len(prefix) + max(sum(lengths[index] for index in step) for step in steps),
        answer_tokens=max(len(note.answer) for note in notes),
        validation=max((len(note.prompt) + len(note.answer) for note in validation), default=0),
    )


def predict(
    shape: Shape,
    settings: TrainSettings,
    tokens: int,
    recomputed: int,
    answer_tokens: int,
    size: int,
) -> dict[str, int]:
    """Peak bytes of a training step, item by item.

    `tokens` and `answer_tokens` are those of the largest micro-batch, `recomputed` is a number of
    layers, `size` the bytes of a number in the base's arithmetic (2 or 4).
    """
    each = _FOUR_BITS if settings.quantisation == "nf4" else size
    table = shape.vocabulary * shape.hidden * size
    adapter = shape.layers * sum(settings.lora_r * (a + b) for a, b in shape.linears)
    state = {"adamw": 8.0, "adamw_8bit": 2 + 8 / 256, "paged_adamw_8bit": 2 + 8 / 256}
    saved = shape.layers - recomputed
    # What a layer saves for the backward pass, in numbers per token: inputs and outputs of both norms, inputs
    # and output of the attention, and the MLP's gate, up projection and product (without the fused SwiGLU,
    # also the gate's activation). Then the temporary gradients of the backward pass.
    attention = 2 * (shape.heads + shape.kv_heads) * shape.head_size
    activations = 4 * shape.hidden + attention + (3 if shape.fused else 4) * shape.intermediate
    gradients = shape.intermediate + 2 * shape.hidden
    live = max(saved * activations, activations) + gradients
    largest = max(a * b for a, b in shape.linears)
    items = {
        "weights": round((shape.layers * shape.layer_parameters + shape.vision_parameters) * each),
        "embedding": table * (1 if shape.tied else 2),
        "adapter": adapter * (4 if size == 4 else 4 + size),
        "gradients": adapter * 4,
        "optimizer": round(adapter * state[settings.optimizer]),
        "activations": tokens * size * (recomputed * shape.hidden + live),
        "logits": answer_tokens * shape.vocabulary * (2 * size + 16),
        "dequantised": largest * size if settings.quantisation == "nf4" else 0,
        "work areas": _WORK_AREAS,
    }
    items["allocator"] = round(SLACK * sum(items.values()))
    return items


def _validation(shape: Shape, data: DataSize, budget: int, size: int, weight: int) -> int:
    """Peak bytes of a validation pass: an MLP's activations, the answers' logits, a dequantised `weight`.

    They come on top of a training step's, because the CUDA graphs keep their memory.
    """
    if not data.validation:
        return 0
    tokens = max(validation_budget(budget), data.validation)
    answer_tokens = data.answer_tokens * max(
        1, tokens // 64
    )  # few notes are shorter than 64 tokens
    activations = tokens * size * (3 * shape.intermediate + 4 * shape.hidden)
    return round(
        (1 + SLACK) * (activations + answer_tokens * shape.vocabulary * (size + 8) + weight)
    )


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Everything that determines how much memory a run needs."""

    shape: Shape
    settings: TrainSettings
    data: DataSize
    size: int
    """Bytes of a number in the base's arithmetic (2 or 4)"""

    @property
    def least(self) -> int:
        """Tokens of the smallest micro-batch that holds the longest note."""
        return self.data.prefix + self.data.longest

    @property
    def depths(self) -> list[int]:
        """The numbers of layers that may be recomputed, the fewest first."""
        layers = self.shape.layers
        fixed = {"all": [layers], "none": [0]}
        return fixed.get(self.settings.activation_checkpointing, list(range(layers + 1)))

    def plan(self, budget: int, recomputed: int, graphs: int, context: int) -> MemoryPlan:
        """The plan with these values and its predicted bytes."""
        answer_tokens = self.settings.effective_batch * self.data.answer_tokens
        step = predict(self.shape, self.settings, budget, recomputed, answer_tokens, self.size)
        validation = _validation(self.shape, self.data, budget, self.size, step["dequantised"])
        items = {
            **step,
            "validation": validation if graphs else 0,
            "graphs": graphs * self.shape.layers * _GRAPH_BYTES,
            "context": context,
        }
        return MemoryPlan(budget, recomputed, items, graphs)


def choose(need: MemoryNeed, limit: MemoryLimit | None) -> tuple[MemoryPlan, list[Choice]]:
    """The best plan within a memory limit (None: no limit, on a CPU), and the choices with their reasons.

    Prefers many CUDA graphs, then few micro-batches, then few recomputed layers. Raises LearningError
    if not even the smallest plan fits, DeviceBusy if it would fit without the other programs.
    """
    settings = need.settings
    if limit is None:
        return _without_limit(need.shape, settings, need.data)
    budgets = [max(need.least, settings.token_budget or need.data.step)]
    while not settings.token_budget and budgets[-1] > max(need.least, LEAST_BUDGET):
        budgets.append(max(need.least, LEAST_BUDGET, budgets[-1] * 3 // 4))
    for graphs, budget, recomputed in product(GRAPHS, budgets, need.depths):
        plan = need.plan(budget, recomputed, graphs, limit.context)
        if plan.total <= limit.bytes:
            return plan, _reasons(plan, settings, need.shape.layers, limit.bytes)
    least = need.plan(budgets[-1], need.depths[-1], 0, limit.context).total
    if least <= limit.bytes_if_alone:
        raise _held(least, limit)
    raise_it = "raise train.memory_gb, " if settings.memory_gb else ""
    raise LearningError(
        f"training needs {least / 1e9:.1f} GB of GPU memory, but "
        f"{limit.bytes_if_alone / 1e9:.1f} GB may be used",
        f"{raise_it}lower train.max_tokens, or set a smaller base",
    )


def _held(needed: int, limit: MemoryLimit) -> DeviceBusy:
    return DeviceBusy(
        f"training needs {needed / 1e9:.1f} GB of GPU memory, but {limit.bytes / 1e9:.1f} GB are free: "
        "other programs hold the rest"
    )


def refit(need: MemoryNeed, plan: MemoryPlan, limit: MemoryLimit) -> MemoryPlan:
    """A run's plan, adjusted to the memory that is available now.

    With less memory, more layers are recomputed, which changes no number. On a smaller device, a new
    plan is chosen. Raises DeviceBusy if other programs hold the memory that the plan needs.
    """
    if plan.total <= limit.bytes:
        return plan
    deeper = [
        need.plan(plan.budget, depth, plan.graphs, limit.context)
        for depth in need.depths
        if depth >= plan.recomputed
    ]
    for fitting in deeper:
        if fitting.total <= limit.bytes:
            return fitting
    if deeper[-1].total <= limit.bytes_if_alone:
        raise _held(deeper[-1].total, limit)
    return choose(need, limit)[0]


def smaller(need: MemoryNeed, plan: MemoryPlan) -> MemoryPlan | None:
    """The next smaller plan after this one ran out of memory; None if there is none.

    First every layer is recomputed, because that changes no number; then the micro-batches are halved,
    then the CUDA graphs.
    """
    context, deepest = plan.bytes.get("context", 0), need.depths[-1]
    least = max(LEAST_BUDGET, need.least)
    if plan.recomputed < deepest:
        less = replace(plan, recomputed=deepest)
    elif plan.budget > least:
        less = replace(plan, budget=max(least, plan.budget // 2))
    elif plan.graphs:
        less = replace(plan, graphs=plan.graphs // 2)
    else:
        return None
    if not plan.bytes:
        return less
    return need.plan(less.budget, less.recomputed, less.graphs, context)


def _reasons(plan: MemoryPlan, settings: TrainSettings, layers: int, limit: int) -> list[Choice]:
    need = f"{plan.total / 1e9:.2f} GB of {limit / 1e9:.2f} GB"
    return [
        Choice(
            "token_budget",
            str(plan.budget),
            "train.token_budget" if settings.token_budget else f"the largest that fits: {need}",
        ),
        Choice(
            "recomputed layers",
            f"{plan.recomputed} of {layers}",
            "train.activation_checkpointing"
            if settings.activation_checkpointing != "auto"
            else f"the fewest that fit: {need}",
        ),
    ]


def _without_limit(
    shape: Shape, settings: TrainSettings, data: DataSize
) -> tuple[MemoryPlan, list[Choice]]:
    budget = settings.token_budget or cheapest(shape, data.prefix)
    recomputed = shape.layers if settings.activation_checkpointing == "all" else 0
    reason = "train.token_budget" if settings.token_budget else "the least arithmetic per note"
    return MemoryPlan(budget, recomputed, {}), [Choice("token_budget", str(budget), reason)]


def cheapest(shape: Shape, prefix: int) -> int:
    """The size of a pack, in tokens, that takes the least arithmetic per token of its notes.

    For a pack of t tokens, of which t - p belong to notes, a layer with P weights and attention width h
    takes 2 P t + 4 h t^2 operations. Divided by t - p, that is least at t = p + sqrt(p^2 + p P / (2 h)).
    """
    width = shape.heads * shape.head_size
    best = prefix + math.sqrt(prefix**2 + shape.layer_parameters * prefix / (2 * width))
    return max(LEAST_BUDGET, round(best))
