"""The memory plan: how many tokens a pass, how many layers recomputed, and the bytes that come of it.

Arithmetic on a base's config alone: it loads no weight, and needs torch only to read that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nightschool.config.errors import DeviceBusy, LearningError
from nightschool.config.settings import TrainSettings
from nightschool.learning.auto_choice import AutoChoice
from nightschool.learning.hub import read_config

if TYPE_CHECKING:
    from nightschool.learning.encoding import Encoded

# A CUDA graph's nodes, beside torch's allocations: measured (H100, torch 2.11), bytes a graph and layer.
_GRAPH_BYTES = 810_000
# cuBLAS's work areas, which torch allocates: 32 MiB for each of two streams.
_WORK_AREAS = 2 << 25
# The allocator keeps blocks that do not fit together: a share of what it holds (H100: 0.03 to 0.05).
SLACK = 0.05
# CUDA graphs a run (see `graphs`), the most first. More fit its packs closer, but each takes memory, and
# about a step's time to make.
GRAPHS = (8, 4, 2, 1, 0)
# Below this a pass is all overhead.
LEAST_BUDGET = 256
_FOUR_BITS = 0.5 + 1 / 64 + 4 / (64 * 256)  # NF4: one byte a block of 64, one float a block of 256


@dataclass(frozen=True, slots=True)
class Room:
    """Device memory that a process may take, in bytes."""

    bytes: int
    alone: int
    """What it would be if no other program held any of the device's memory."""
    context: int
    """What of it the CUDA context takes, with the kernels loaded into it."""


def context_bytes(multiprocessors: int) -> int:
    """About what a CUDA context with all kernels of a training takes.

    Measured on one card alone: 0.86 GB on an H100 with 132 multiprocessors; that it grows with their
    number is an estimate, and on smaller cards it was not measured.
    """
    return 100_000_000 + 5_800_000 * multiprocessors


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a base's config decides memory and arithmetic."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    tied: bool
    fused: bool
    """Whether its MLPs run on the fused SwiGLU where a GPU has it."""
    beside: int
    """Parameters of a part that sees images, which is loaded although no note goes through it."""

    @property
    def linears(self) -> list[tuple[int, int]]:
        """(in, out) of a layer's linear maps; joined ones (Phi) count as their parts."""
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
        """From a base's config. Raises LearningError where it does not say enough."""
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
                beside=depth * (4 * width * width + 2 * width * inner),
            )
        except KeyError as error:
            raise LearningError(
                f"the base's config.json names no {error}: this architecture is not supported; "
                "use a decoder-only causal LM (Qwen, Llama, Mistral, Gemma, Phi)"
            ) from None


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a run uses its device. Fixed at its first chunk: another plan would round otherwise."""

    budget: int
    """Tokens a pass at most."""
    recomputed: int
    """Layers, from the lowest, whose activations are computed again going back."""
    bytes: Mapping[str, int]
    """What is predicted, item by item; empty where nothing limits memory (a CPU)."""
    graphs: int = GRAPHS[0]
    """In how many sizes passes may be replayed as CUDA graphs, which take memory of their own."""

    @property
    def total(self) -> int:
        return sum(self.bytes.values())

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "bytes": dict(self.bytes)}


@dataclass(frozen=True, slots=True)
class Load:
    """What the data asks of the memory."""

    longest: int
    """Tokens of the longest note with its answer, without the shared prompt."""
    prefix: int
    """Tokens of the shared prompt."""
    step: int
    """Tokens of the largest optimizer step in one pack."""
    asked: int
    """Answer tokens of a note."""
    watched: int = 0
    """Tokens of the longest validation note with its prompt and answer; 0: there are none."""


def validation_budget(budget: int) -> int:
    """Tokens a pass without gradients. Fewer than in training: graphs keep their memory to themselves."""
    return max(LEAST_BUDGET, budget // 4)


def load_of(
    notes: Sequence[Encoded], prefix: Sequence[int], steps: Iterable[Sequence[int]],
    validation: Sequence[Encoded] = (),
) -> Load:  # fmt: skip
    """What notes ask of the memory; `steps` are the indices of each optimizer step's notes."""
    lengths = [len(note.prompt) + len(note.answer) - 1 - len(prefix) for note in notes]
    return Load(
        longest=max(lengths),
        prefix=len(prefix),
        step=len(prefix) + max(sum(lengths[index] for index in step) for step in steps),
        asked=max(len(note.answer) for note in notes),
        watched=max((len(note.prompt) + len(note.answer) for note in validation), default=0),
    )


def predict(
    shape: Shape, settings: TrainSettings, tokens: int, recomputed: int, asked: int, size: int
) -> dict[str, int]:
    """Peak bytes of a training step, item by item.

    `tokens` of the largest pass, `recomputed` of all layers, `asked` answer tokens in the pass,
    `size` bytes of a number that the base computes with (2 or 4).
    """
    each = _FOUR_BITS if settings.quantisation == "nf4" else size
    table = shape.vocabulary * shape.hidden * size
    adapter = shape.layers * sum(settings.lora_r * (a + b) for a, b in shape.linears)
    state = {"adamw": 8.0, "adamw_8bit": 2 + 8 / 256, "paged_adamw_8bit": 2 + 8 / 256}
    kept = shape.layers - recomputed
    # One layer's activations for the backward pass, in numbers a token: the inputs and outputs of
    # both norms, the attention's inputs and output, of the MLP its gate, its other half, their product
    # (and the gate's activation, where that is not fused); and what the way back holds beside them.
    attention = 2 * (shape.heads + shape.kv_heads) * shape.head_size
    activations = 4 * shape.hidden + attention + (3 if shape.fused else 4) * shape.intermediate
    going_back = shape.intermediate + 2 * shape.hidden
    live = max(kept * activations, activations) + going_back
    largest = max(a * b for a, b in shape.linears)
    found = {
        "weights": round((shape.layers * shape.layer_parameters + shape.beside) * each),
        "embedding": table * (1 if shape.tied else 2),
        "adapter": adapter * (4 if size == 4 else 4 + size),
        "gradients": adapter * 4,
        "optimizer": round(adapter * state[settings.optimizer]),
        "activations": tokens * size * (recomputed * shape.hidden + live),
        "logits": asked * shape.vocabulary * (2 * size + 16),
        "dequantised": largest * size if settings.quantisation == "nf4" else 0,
        "work areas": _WORK_AREAS,
    }
    found["allocator"] = round(SLACK * sum(found.values()))
    return found


def _validation(shape: Shape, load: Load, budget: int, size: int, weight: int) -> int:
    """Bytes of a validation pass: an MLP's activations, the logits of a pass's answers, and a
    dequantised `weight`, for what graphs took for theirs stays with them."""
    if not load.watched:
        return 0
    tokens = max(validation_budget(budget), load.watched)
    asked = load.asked * max(1, tokens // 64)  # a note of fewer tokens is rare
    activations = tokens * size * (3 * shape.intermediate + 4 * shape.hidden)
    return round((1 + SLACK) * (activations + asked * shape.vocabulary * (size + 8) + weight))


@dataclass(frozen=True, slots=True)
class Need:
    """All that decides what a run's memory is needed for."""

    shape: Shape
    settings: TrainSettings
    load: Load
    size: int
    """Bytes of a number that the base computes with (2 or 4)."""

    @property
    def least(self) -> int:
        """Tokens of a pass that holds the longest note."""
        return self.load.prefix + self.load.longest

    @property
    def depths(self) -> list[int]:
        """How many layers may be recomputed, the fewest first."""
        layers = self.shape.layers
        fixed = {"all": [layers], "none": [0]}
        return fixed.get(self.settings.activation_checkpointing, list(range(layers + 1)))

    def plan(self, budget: int, recomputed: int, graphs: int, context: int) -> MemoryPlan:
        """The plan with these, and the bytes that it is predicted to take."""
        asked = self.settings.effective_batch * self.load.asked
        step = predict(self.shape, self.settings, budget, recomputed, asked, self.size)
        watching = _validation(self.shape, self.load, budget, self.size, step["dequantised"])
        found = {
            **step,
            "validation": watching if graphs else 0,
            "graphs": graphs * self.shape.layers * _GRAPH_BYTES,
            "context": context,
        }
        return MemoryPlan(budget, recomputed, found, graphs)


def choose(need: Need, room: Room | None) -> tuple[MemoryPlan, list[AutoChoice]]:
    """The plan for a device's memory (None: no limit worth planning for, a CPU).

    Prefers CUDA graphs, then few passes, then few recomputed layers. Raises LearningError where the
    least does not fit, DeviceBusy where it would if other programs held no memory.
    """
    settings = need.settings
    if room is None:
        return _without_limit(need.shape, settings, need.load)
    budgets = [max(need.least, settings.token_budget or need.load.step)]
    while not settings.token_budget and budgets[-1] > max(need.least, LEAST_BUDGET):
        budgets.append(max(need.least, LEAST_BUDGET, budgets[-1] * 3 // 4))
    for graphs, budget, recomputed in product(GRAPHS, budgets, need.depths):
        plan = need.plan(budget, recomputed, graphs, room.context)
        if plan.total <= room.bytes:
            return plan, _reasons(plan, settings, need.shape.layers, room.bytes)
    least = need.plan(budgets[-1], need.depths[-1], 0, room.context).total
    if least <= room.alone:
        raise _held(least, room)
    limit = "raise train.memory_gb, " if settings.memory_gb else ""
    raise LearningError(
        f"training needs {least / 1e9:.1f} GB of GPU memory and {room.alone / 1e9:.1f} GB may be used: "
        f"{limit}lower train.max_tokens, or set a smaller base"
    )


def _held(needed: int, room: Room) -> DeviceBusy:
    return DeviceBusy(
        f"training needs {needed / 1e9:.1f} GB of GPU memory and {room.bytes / 1e9:.1f} GB are free: "
        "other programs hold the rest"
    )


def refit(need: Need, plan: MemoryPlan, room: Room) -> MemoryPlan:
    """A run's plan for the memory that there is now: where it is less, more layers are recomputed,
    which changes no number.

    On a smaller device it is chosen anew. Raises DeviceBusy where other programs hold what is needed.
    """
    if plan.total <= room.bytes:
        return plan
    deeper = [
        need.plan(plan.budget, depth, plan.graphs, room.context)
        for depth in need.depths
        if depth >= plan.recomputed
    ]
    for fitting in deeper:
        if fitting.total <= room.bytes:
            return fitting
    if deeper[-1].total <= room.alone:
        raise _held(deeper[-1].total, room)
    return choose(need, room)[0]


def smaller(need: Need, plan: MemoryPlan) -> MemoryPlan | None:
    """The next smaller plan, after this one ran out of memory; None where there is none.

    Recomputing every layer comes first, for it changes no number; then passes of half the tokens.
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


def _reasons(plan: MemoryPlan, settings: TrainSettings, layers: int, room: int) -> list[AutoChoice]:
    need = f"{plan.total / 1e9:.2f} GB of {room / 1e9:.2f} GB"
    return [
        AutoChoice(
            "token_budget",
            str(plan.budget),
            "set by the owner" if settings.token_budget else f"the largest that fits: {need}",
        ),
        AutoChoice(
            "recomputed layers",
            f"{plan.recomputed} of {layers}",
            "train.activation_checkpointing"
            if settings.activation_checkpointing != "auto"
            else f"the fewest that fit: {need}",
        ),
    ]


def _without_limit(
    shape: Shape, settings: TrainSettings, load: Load
) -> tuple[MemoryPlan, list[AutoChoice]]:
    budget = settings.token_budget or cheapest(shape, load.prefix)
    recomputed = shape.layers if settings.activation_checkpointing == "all" else 0
    reason = "set by the owner" if settings.token_budget else "the least arithmetic a note"
    return MemoryPlan(budget, recomputed, {}), [AutoChoice("token_budget", str(budget), reason)]


def cheapest(shape: Shape, prefix: int) -> int:
    """The tokens of a pack that cost the least arithmetic a note.

    A layer of P weights and width h needs 2 P t + 4 h t^2 operations for a pack of t tokens, of which
    t - p belong to notes: an operation count a note's token that is least at
    t = p + sqrt(p^2 + p P / (2 h)).
    """
    width = shape.heads * shape.head_size
    best = prefix + math.sqrt(prefix**2 + shape.layer_parameters * prefix / (2 * width))
    return max(LEAST_BUDGET, round(best))
