"""The CUDA kernels against torch and bitsandbytes; on a machine with a CUDA GPU."""

from __future__ import annotations

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit

from nightschool.learning.fast import kernels

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")


@pytest.mark.parametrize("dtype", DTYPES)
def test_dequantised_weights_have_the_bits_that_bitsandbytes_gives(dtype: torch.dtype) -> None:
    weight = torch.randn(320, 704, device="cuda", dtype=dtype) * 0.02
    packed, state = quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    got = kernels.dequantise(packed, state)
    assert got is not None
    assert torch.equal(got, dequantize_4bit(packed, state))


def test_other_quantisations_are_left_to_bitsandbytes() -> None:
    weight = torch.randn(64, 64, device="cuda", dtype=torch.float16)
    for kind, nested in (("fp4", True), ("nf4", False)):
        packed, state = quantize_4bit(weight, quant_type=kind, compress_statistics=nested)
        assert kernels.dequantise(packed, state) is None


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout_is_a_function_of_seed_layer_and_place(dtype: torch.dtype) -> None:
    ones = torch.ones(1003, 333, device="cuda", dtype=dtype)

    def kept(seed: int, layer: int) -> torch.Tensor:
        number = torch.tensor(seed, device="cuda")
        return kernels.drop(ones, number, layer, 0.75, torch.empty_like(ones))

    one = kept(5, 2)
    assert set(one.float().flatten().tolist()) == {0.0, 1.0}
    assert float(one.float().mean()) == pytest.approx(0.75, abs=0.005)
    assert torch.equal(one, kept(5, 2))
    for other in (kept(6, 2), kept(5, 3), kept(5 + (1 << 40), 2)):
        assert float((one == other).float().mean()) == pytest.approx(0.625, abs=0.005)


@pytest.mark.parametrize("dtype", DTYPES)
def test_swiglu_and_its_gradients_are_torchs(dtype: torch.dtype) -> None:
    gate, up, dy = (torch.randn(50, 88, device="cuda", dtype=dtype) * 3 for _ in range(3))
    exact = [x.double().requires_grad_() for x in (gate, up)]
    wanted = torch.nn.functional.silu(exact[0]) * exact[1]
    wanted.backward(dy.double())  # type: ignore[no-untyped-call]
    own = [x.clone().requires_grad_() for x in (gate, up)]
    got = kernels.SwiGLU.apply(*own)  # type: ignore[no-untyped-call]
    got.backward(dy.clone())
    rtol, atol = 8 * torch.finfo(dtype).eps, 1e-5 if dtype is torch.float32 else 1e-3
    torch.testing.assert_close(got.double(), wanted, rtol=rtol, atol=atol)
    for one, other in zip(own, exact, strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=rtol, atol=atol)
