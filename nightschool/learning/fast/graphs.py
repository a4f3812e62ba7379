"""A micro-batch, forward and backward, as a CUDA graph: one launch instead of thousands.

A micro-batch of a 3B base takes thousands of short kernels, and a laptop's CPU takes longer to launch
them than its GPU to run them. A graph is launched as a whole, but it has one shape: so packs are padded
with blank notes to one of a few sizes, chosen from the sizes of the run's packs.
CUDA graphs: Gray 2019, developer.nvidia.com/blog/cuda-graphs; torch.cuda.CUDAGraph.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from transformers import PreTrainedModel

from nightschool.config.errors import Stopped
from nightschool.learning.encoding import Encoded
from nightschool.learning.fast.adapter import Dropout
from nightschool.learning.fast.batch import Batch, Frame
from nightschool.learning.fast.packing import Layout
from nightschool.learning.memory_plan import MemoryPlan


def sizes(packs: Sequence[int], most: int) -> list[int]:
    """At most `most` sizes in tokens that packs are padded to, ascending: quantiles of `packs`' sizes."""
    ordered = sorted(packs)
    chosen = {ordered[-(-len(ordered) * (i + 1) // most) - 1] for i in range(most)}
    return sorted({-(-size // 8) * 8 for size in chosen})


def reason_for_eager_passes(
    base: PreTrainedModel, layout: Layout, dropout: Dropout, plan: MemoryPlan
) -> str:
    """Why passes cannot be replayed as graphs, or ""."""
    if not plan.graphs:
        return "there is no memory for them"
    if layout.way != "segments":
        return "without packs, passes have too many shapes"
    if layout.kernel == "each":
        return "attention runs note by note, at offsets that a graph would fix"
    config = base.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", 0)
    if "dynamic" in str(rope):
        return "the rotary embedding depends on the lengths"
    if dropout.keep < 1 and not dropout.on_device:
        return "NVRTC, which compiles the dropout for them, is not installed with torch"
    return ""


class Replay:
    """Runs micro-batches by replaying graphs, one per size.

    The numbers do not depend on when a graph was captured: those of the eager warm-up are dropped.
    """

    def __init__(
        self,
        layout: Layout,
        backward: Callable[[Batch], torch.Tensor],
        packs: Sequence[Sequence[Encoded]],
        most: int,
        clear: Callable[[], object],
        claim: Callable[[int], object],
    ) -> None:
        """Prepare graphs of `most` sizes for all `packs` of a run; nothing is captured yet.

        `backward` computes a batch's gradients and returns its loss, `clear` drops these gradients, and
        `claim` lets the allocator set up the blocks of a batch of that many tokens.
        """
        self._backward, self._clear, self._claim = backward, clear, claim
        self._layout, self._host = layout, replace(layout, device=torch.device("cpu"))
        self._notes = max(map(len, packs)) + 1
        self._targets = max(sum(max(1, len(note.answer)) for note in pack) for pack in packs)
        self.sizes = sizes([self._needed(pack) for pack in packs], most)
        """The sizes in tokens that packs are padded to, ascending"""
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Batch, torch.Tensor]] = {}

    def run(self, notes: Sequence[Encoded], share: float) -> torch.Tensor:
        """Add a pack's gradients to the adapter's; each note counts `share`. Returns its loss, shape ()."""
        if not self._graphs:
            self.make()
        size = self._size(self._needed(notes))
        graph, batch, loss = self._graph(size)
        batch.copy_(self._host.batch(notes, share, self._frame(size)))
        graph.replay()
        return loss.clone()

    def make(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Capture the graphs, the largest first, so that the others fit into the memory of that one.

        Raises Stopped between two captures.
        """
        self._warm_up()
        for size in reversed(self.sizes):
            if should_stop():
                raise Stopped
            self._graph(size)

    def _needed(self, notes: Sequence[Encoded]) -> int:
        """The smallest size that a pack fits into, with one token for each blank note."""
        return self._layout.tokens(notes) + self._notes - len(notes)

    def _size(self, needed: int) -> int:
        """The size for a pack: a function of the pack alone, or a resumed run would round differently."""
        place = bisect_left(self.sizes, needed)
        return self.sizes[place] if place < len(self.sizes) else -(-needed // 64) * 64

    def _frame(self, size: int) -> Frame:
        return Frame(size, self._notes, self._targets)

    def _warm_up(self) -> None:
        """Run once without a graph, because the libraries' first-use set-up cannot be captured."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            self._backward(self._layout.batch([], 0.0, self._frame(self.sizes[0])))
            self._clear()
        current.wait_stream(self._stream)
        torch.cuda.synchronize()
        torch.cuda.empty_cache()

    def _graph(self, size: int) -> tuple[torch.cuda.CUDAGraph, Batch, torch.Tensor]:
        if size not in self._graphs:
            batch = self._layout.batch([], 0.0, self._frame(size))
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                if not self._graphs:
                    self._claim(size)
                loss = self._backward(batch)
            self._graphs[size] = graph, batch, loss
        return self._graphs[size]
