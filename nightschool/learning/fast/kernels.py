"""CUDA kernels for dropout, NF4 dequantisation and SwiGLU, which take torch and bitsandbytes several each.

They are compiled within a second when a process starts, by the NVRTC that comes with torch's CUDA
builds on Linux and Windows: neither Triton nor a compiler is needed. Without NVRTC, and on other
devices, the callers fall back to operations of torch and bitsandbytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

_SOURCE = r"""
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;
typedef unsigned long long u64;

// Philox 4x32-10: Salmon et al. 2011, doi:10.1145/2063384.2063405.
__device__ void philox(u32 c[4], u32 k0, u32 k1) {
    for (int round = 0; round < 10; round++) {
        u64 a = (u64)0xD2511F53u * c[0], b = (u64)0xCD9E8D57u * c[2];
        u32 d[4] = {(u32)(b >> 32) ^ c[1] ^ k0, (u32)b, (u32)(a >> 32) ^ c[3] ^ k1, (u32)a};
        for (int i = 0; i < 4; i++) c[i] = d[i];
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

// Eight elements a thread, 16 random bits each; x and y are aligned to 16 bytes.
template <typename T>
struct __align__(16) Eight { T v[8]; };

template <typename T>
__device__ void drop(const T* x, T* y, int n, const u64* seed, int layer, u32 kept) {
    int first = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (first >= n) return;
    u32 r[4] = {(u32)first, (u32)layer, (u32)(*seed >> 32), 0};
    philox(r, (u32)*seed, 0x6e736368u);
    u32 keep = 0;
    for (int i = 0; i < 8; i++) keep |= (u32)(((r[i / 2] >> (i % 2 * 16)) & 0xffffu) < kept) << i;
    if (first + 8 <= n) {
        Eight<T> some = *(const Eight<T>*)(x + first);
        for (int i = 0; i < 8; i++) some.v[i] = keep >> i & 1u ? some.v[i] : (T)0;
        *(Eight<T>*)(y + first) = some;
    } else {
        for (int i = 0; first + i < n; i++) y[first + i] = keep >> i & 1u ? x[first + i] : (T)0;
    }
}

extern "C" __global__ void drop16(const u16* x, u16* y, int n, const u64* seed, int layer, int kept) {
    drop<u16>(x, y, n, seed, layer, kept);
}

extern "C" __global__ void drop32(const u32* x, u32* y, int n, const u64* seed, int layer, int kept) {
    drop<u32>(x, y, n, seed, layer, kept);
}

struct F32 {
    typedef u32 bits;
    __device__ static u32 of(float v) { return __float_as_uint(v); }
    __device__ static float to(u32 b) { return __uint_as_float(b); }
};
struct F16 {
    typedef u16 bits;
    __device__ static float to(u16 h) { float v; asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(h)); return v; }
    __device__ static u16 of(float v) { u16 h; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(v)); return h; }
};
struct BF16 {
    typedef u16 bits;
    __device__ static float to(u16 b) { return __uint_as_float((u32)b << 16); }
    __device__ static u16 of(float v) {
        u32 b = __float_as_uint(v);
        return (u16)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
    }
};

// Eight weights a thread: four bytes, one 64-block, its scale quantised to 8 bits in 256-blocks.
// The products are rounded one by one, as bitsandbytes' kernels do: the same bits come out.
template <typename T>
__device__ void nf4(const u32* packed, const u8* scales, const float* code8, const float* scale,
                    const float* offset, const float* code4, typename T::bits* out, int n) {
    __shared__ float table[16];
    if (threadIdx.x < 16) table[threadIdx.x] = code4[threadIdx.x];
    __syncthreads();
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at * 8 >= n) return;
    int block = at / 8;
    float s = __fadd_rn(__fmul_rn(code8[scales[block]], scale[block / 256]), *offset);
    u32 word = packed[at];
    __align__(16) typename T::bits values[8];
    for (int i = 0; i < 4; i++) {
        u32 byte = (word >> (8 * i)) & 0xffu;
        values[2 * i] = T::of(__fmul_rn(table[byte >> 4], s));
        values[2 * i + 1] = T::of(__fmul_rn(table[byte & 15u], s));
    }
    const uint4* from = (const uint4*)values;
    uint4* to = (uint4*)(out + at * 8);
    for (int i = 0; i < sizeof(values) / 16; i++) to[i] = from[i];
}

#define NF4(name, T)                                                                             \
    extern "C" __global__ void name(const u32* packed, const u8* scales, const float* code8,     \
                                    const float* scale, const float* offset, const float* code4, \
                                    T::bits* out, int n) {                                       \
        nf4<T>(packed, scales, code8, scale, offset, code4, out, n);                             \
    }
NF4(nf4_f32, F32)
NF4(nf4_f16, F16)
NF4(nf4_bf16, BF16)

// silu(gate) * up, eight elements a thread; n is a multiple of eight.
template <typename T>
__device__ void swiglu(const typename T::bits* gate, const typename T::bits* up, typename T::bits* out, int n) {
    typedef Eight<typename T::bits> Some;
    int first = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (first >= n) return;
    Some g = *(const Some*)(gate + first), u = *(const Some*)(up + first);
    for (int i = 0; i < 8; i++) {
        float x = T::to(g.v[i]);
        g.v[i] = T::of(x / (1.0f + expf(-x)) * T::to(u.v[i]));
    }
    *(Some*)(out + first) = g;
}

// Its gradients; d_up takes the place of dy.
template <typename T>
__device__ void swiglu_back(const typename T::bits* gate, const typename T::bits* up, typename T::bits* dy,
                            typename T::bits* d_gate, int n) {
    typedef Eight<typename T::bits> Some;
    int first = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (first >= n) return;
    Some g = *(const Some*)(gate + first), u = *(const Some*)(up + first), d = *(const Some*)(dy + first);
    for (int i = 0; i < 8; i++) {
        float x = T::to(g.v[i]), dv = T::to(d.v[i]), s = 1.0f / (1.0f + expf(-x));
        d.v[i] = T::of(dv * x * s);
        g.v[i] = T::of(dv * T::to(u.v[i]) * s * (1.0f + x * (1.0f - s)));
    }
    *(Some*)(dy + first) = d;
    *(Some*)(d_gate + first) = g;
}

#define SWIGLU(T, forward, backward)                                                              \
    extern "C" __global__ void forward(const T::bits* gate, const T::bits* up, T::bits* out, int n) { \
        swiglu<T>(gate, up, out, n);                                                              \
    }                                                                                             \
    extern "C" __global__ void backward(const T::bits* gate, const T::bits* up, T::bits* dy,      \
                                        T::bits* d_gate, int n) {                                 \
        swiglu_back<T>(gate, up, dy, d_gate, n);                                                  \
    }
SWIGLU(F32, swiglu_f32, swiglu_back_f32)
SWIGLU(F16, swiglu_f16, swiglu_back_f16)
SWIGLU(BF16, swiglu_bf16, swiglu_back_bf16)
"""

_DTYPES = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}
_THREADS = 256
# Values of the 16 random bits that each element gets.
_STEPS = 1 << 16


@functools.cache
def _kernel(name: str) -> Callable[..., None] | None:
    """A kernel, compiled for the current GPU; None without NVRTC."""
    try:
        compiled: Callable[..., None] = torch.cuda._compile_kernel(_SOURCE, name)
    except (OSError, RuntimeError, AttributeError, ImportError):
        return None
    return compiled


def available(device: torch.device) -> bool:
    """Whether the kernels run on a device."""
    return device.type == "cuda" and _kernel("drop16") is not None


def drop(
    x: torch.Tensor, seed: torch.Tensor, layer: int, keep: float, out: torch.Tensor
) -> torch.Tensor:
    """Write the contiguous `x` to `out`, with a share 1 - `keep` of its elements set to zero.

    The choice depends on `seed` (int64, shape (), on the GPU), on `layer` and on the element's index only.
    `keep` is rounded to 1/65536. `out` may be `x` itself.
    """
    name = "drop16" if x.element_size() == 2 else "drop32"
    _launch(name, x.numel(), x, out, x.numel(), seed, layer, round(keep * _STEPS))
    return out


def dequantise(weight: torch.Tensor, state: Any) -> torch.Tensor | None:
    """An NF4 weight in the dtype of its quantisation state, bit for bit as bitsandbytes gives it.

    None unless the weight is doubly quantised NF4 with blocks of 64 and 256.
    """
    if (
        not available(weight.device) or state.dtype not in _DTYPES
        or state.quant_type != "nf4" or state.blocksize != 64
        or not state.nested or state.state2.blocksize != 256 or weight.shape[0] == 1
    ):  # fmt: skip
        return None
    out = torch.empty(state.shape, dtype=state.dtype, device=weight.device)
    if out.numel() % 64:
        return None
    _launch(
        f"nf4_{_DTYPES[state.dtype]}", out.numel(), weight, state.absmax, state.state2.code,
        state.state2.absmax, state.offset, state.code, out, out.numel(),
    )  # fmt: skip
    return out


class SwiGLU(torch.autograd.Function):
    """silu(gate) * up for contiguous tensors on the GPU; only its two inputs are saved.

    Shazeer 2020, arXiv:2002.05202.
    """

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        out = torch.empty_like(gate)
        _launch(f"swiglu_{_DTYPES[gate.dtype]}", gate.numel(), gate, up, out, gate.numel())
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        gate, up = ctx.saved_tensors
        d_up = grads[0].contiguous()  # overwritten below: only this function reads it
        d_gate = torch.empty_like(gate)
        name = f"swiglu_back_{_DTYPES[gate.dtype]}"
        _launch(name, gate.numel(), gate, up, d_up, d_gate, gate.numel())
        return d_gate, d_up


def _launch(name: str, elements: int, *arguments: object) -> None:
    """Run a kernel that handles eight elements a thread."""
    kernel = _kernel(name)
    assert kernel is not None and elements < 2**31
    grid = (-(-elements // (8 * _THREADS)), 1, 1)
    kernel(grid=grid, block=(_THREADS, 1, 1), args=list(arguments))
