"""The attention of a pack: a note's tokens attend to the shared prompt and to their own note only.

For the kernel, a pack is several sequences of unequal length: the prompt, and each note with the
prompt's keys before its own. So no mask is stored, and no work is spent on masked pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME = "nightschool_packed"


@dataclass(frozen=True, slots=True)
class Segments:
    """Where the sequences of a pack are: its prompt, then each note.

    A kernel gets the keys in a layout of their own, with a copy of the prompt's keys before each note's.
    With a cached prompt (`prompt_cache.py`), the prompt itself is not a sequence of the pack.
    """

    queries: torch.Tensor
    """int32, shape (sequences + 1,): the first query of each sequence, and the end of the last"""
    keys: torch.Tensor
    """int32, same shape: the same for its keys"""
    gather: torch.Tensor
    """int64, shape (keys,): the token of each key; those of a cached prompt come first"""
    own: torch.Tensor
    """int64, shape (tokens,): each token's own key"""
    copies: torch.Tensor
    """int64, shape (notes, prompt): the keys that are copies of the prompt's"""
    spans: tuple[tuple[int, int, int], ...]
    """For each sequence: its first token, its tokens, and the prompt tokens before it"""
    longest: tuple[int, int]
    """Upper bounds of the queries and of the keys of a sequence"""
    reach: int
    """The most keys of a sequence that is not blank"""
    backend: str
    """"flash", "memory-efficient", or "each" (one sequence at a time, on any device)"""

    @classmethod
    def of(
        cls, prompt: int, notes: Sequence[int], device: torch.device, backend: str,
        longest: tuple[int, int] | None = None, blank: int = 0, kept: bool = False,
    ) -> Segments:  # fmt: skip
        """The segments of a pack, whose prompt and notes have these lengths in tokens.

        The last `blank` notes are padding. `kept`: the prompt is cached, and the pack holds only the notes.
        """
        spans = [(0, prompt, 0)] if prompt and not kept else []
        first = 0 if kept else prompt
        skipped = prompt if kept else 0
        for length in notes:
            spans.append((first, length, prompt))
            first += length
        queries, keys = [0], [0]
        gather: list[int] = []
        own: list[int] = []
        copies: list[range] = []
        for start, length, before in spans:
            if before:
                copies.append(range(len(gather), len(gather) + before))
                gather += range(before)
            own += range(len(gather), len(gather) + length)
            gather += range(skipped + start, skipped + start + length)
            queries.append(start + length)
            keys.append(len(gather))

        def whole(values: Any, dtype: torch.dtype = torch.long) -> torch.Tensor:
            return torch.tensor(values, dtype=dtype, device=device)

        return cls(
            whole(queries, torch.int32), whole(keys, torch.int32), whole(gather), whole(own),
            whole([list(copy) for copy in copies]), tuple(spans),
            longest or (max(s[1] for s in spans), max(s[1] + s[2] for s in spans)),
            max((s[1] + s[2] for s in spans[: len(spans) - blank]), default=0), backend,
        )  # fmt: skip

    @property
    def tensors(self) -> tuple[torch.Tensor, ...]:
        """The tensors that a kernel reads; a CUDA graph gets those of another pack copied into them."""
        return self.queries, self.keys, self.gather, self.own, self.copies


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    segments: Segments | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention with the signature that transformers expects.

    `query` has the shape (1, heads, tokens, head size), `key` and `value` (1, key heads, keys, head
    size); returns (1, tokens, heads, head size). Without `segments`, this is transformers' own SDPA.
    Raises NotImplementedError for soft-capped scores, sinks, and windows that the notes exceed.
    """
    if segments is None:
        output, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
        return output, None
    for name in ("softcap", "s_aux"):
        if others.get(name) is not None:
            raise NotImplementedError(f"attention with {name}")
    window = others.get("sliding_window")
    if window is not None and segments.reach > window:
        raise NotImplementedError(f"notes longer than the attention window of {window} tokens")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if segments.backend == "each":
        return _each(query, key, value, scale, segments), None
    output = _Attention.apply(query, key, value, scale, segments)  # type: ignore[no-untyped-call]
    return output, None


AttentionInterface.register(NAME, attend)


def _each(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, segments: Segments
) -> torch.Tensor:
    """Attention for one sequence at a time, with torch's own operation; shapes as in `attend`."""
    group = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    kept = key.shape[2] - query.shape[2]
    outputs = []
    for first, length, before in segments.spans:
        end = first + length
        k, v = key[:, :, kept + first : kept + end], value[:, :, kept + first : kept + end]
        mask = None
        if before:
            k = torch.cat([key[:, :, :before], k], 2)
            v = torch.cat([value[:, :, :before], v], 2)
            mask = torch.ones(length, before + length, dtype=torch.bool, device=k.device).tril(
                before
            )
        outputs.append(
            torch.nn.functional.scaled_dot_product_attention(
                query[:, :, first:end], k, v, attn_mask=mask, is_causal=not before, scale=scale
            )
        )
    return torch.cat(outputs, 2).transpose(1, 2)


# torch's code for a causal mask that is aligned at the last query and the last key.
_CAUSAL_FROM_THE_END = 2


class _Attention(torch.autograd.Function):
    """One kernel over all sequences of a pack.

    The backward pass sums the gradients of the prompt's copies in a fixed order, so it is deterministic.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        segments: Segments,
    ) -> torch.Tensor:
        ctx.scale, ctx.segments = scale, segments
        q = query[0].transpose(0, 1)
        k, v = _laid_out(key, q, segments), _laid_out(value, q, segments)
        longest = segments.longest
        if segments.backend == "flash":
            out, lse, *state, _ = torch.ops.aten._flash_attention_forward(
                q, k, v, segments.queries, segments.keys, *longest, 0.0, True, False, scale=scale
            )
        else:
            out, lse, *state, _, _ = torch.ops.aten._efficient_attention_forward(
                q[None], k[None], v[None], None, segments.queries, segments.keys, *longest,
                0.0, _CAUSAL_FROM_THE_END, True, scale=scale,
            )  # fmt: skip
        ctx.save_for_backward(query, key, value, out, lse, *state)
        return out.reshape(1, *q.shape)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, out, lse, *state = ctx.saved_tensors
        segments: Segments = ctx.segments
        q = query[0].transpose(0, 1)
        k, v = _laid_out(key, q, segments), _laid_out(value, q, segments)
        longest = segments.longest
        if segments.backend == "flash":
            dq, dk, dv = torch.ops.aten._flash_attention_backward(
                grads[0][0].contiguous(), q, k, v, out, lse, segments.queries, segments.keys,
                *longest, 0.0, True, *state, scale=ctx.scale,
            )  # fmt: skip
        else:
            dq, dk, dv, _ = torch.ops.aten._efficient_attention_backward(
                grads[0].contiguous(), q[None], k[None], v[None], None, out, segments.queries,
                segments.keys, *longest, lse, 0.0, *state, _CAUSAL_FROM_THE_END, False,
                scale=ctx.scale, num_splits_key=1,
            )  # fmt: skip
            dq, dk, dv = dq[0], dk[0], dv[0]
        return (
            dq.transpose(0, 1)[None],
            _gathered(dk, key.shape[1], segments),
            _gathered(dv, value.shape[1], segments),
            None,
            None,
        )


def _laid_out(x: torch.Tensor, query: torch.Tensor, segments: Segments) -> torch.Tensor:
    """Keys or values as the kernel expects them: shape (keys, heads, head size)."""
    x = x[0].transpose(0, 1).index_select(0, segments.gather)
    if segments.backend == "flash":
        return x  # flash attention supports shared key heads
    return x.repeat_interleave(query.shape[1] // x.shape[1], 1)


def _gathered(dx: torch.Tensor, heads: int, segments: Segments) -> torch.Tensor:
    """The gradient of the pack's own keys or values: shape (1, key heads, tokens, head size)."""
    if dx.shape[1] != heads:
        dx = dx.view(len(dx), heads, -1, dx.shape[-1]).sum(2)
    own = dx.index_select(0, segments.own)
    if segments.copies.numel():
        prompt = segments.copies.shape[1]
        own[:prompt] += dx[segments.copies].sum(0)
    return own.transpose(0, 1)[None]
