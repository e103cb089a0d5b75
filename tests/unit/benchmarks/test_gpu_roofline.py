"""Floors of FLUX.1-schnell, from arithmetic that PyTorch counts on the real classes."""

import pytest
import torch
from benchmarks.gpu.architecture import schnell, weight_bytes
from benchmarks.gpu.roofline import REFERENCE, Precision, Rates, Work, count_work, floor_s, fraction
from diffusers import FluxPipeline

RATES = Rates(REFERENCE["bf16"], REFERENCE["fp8"])
WORK = Work(encode=1.0, step=10.0, linears=8.0, decode=3.0)


@pytest.fixture(scope="module")
def unweighted() -> FluxPipeline:
    """The whole architecture without a single number."""
    return schnell(torch.device("meta"))


@pytest.mark.parametrize(
    ("side", "teraflops", "floors_ms"), [(512, 75.7, (96, 54, 51)), (1024, 290.7, (368, 226, 192))]
)
def test_the_floors_of_schnell(
    unweighted: FluxPipeline, side: int, teraflops: float, floors_ms: tuple[int, int, int]
) -> None:
    """Four steps with 256 tokens, at the rate of an H200: in bf16, with linear layers in fp8, all in fp8."""
    work = count_work(unweighted, side=side, tokens=256)
    precisions: tuple[Precision, ...] = ("bf16", "linears in fp8", "transformer in fp8")
    floors = [floor_s(work, RATES, steps=4, precision=precision) or 0.0 for precision in precisions]
    assert work.total(4) / 1e12 == pytest.approx(teraflops, abs=0.05)
    assert tuple(round(1000 * floor) for floor in floors) == floors_ms


def test_the_weights_of_schnell(unweighted: FluxPipeline) -> None:
    """Transformer, both text encoders and the autoencoder take 33.7 GB in bfloat16."""
    assert weight_bytes(unweighted) == pytest.approx(33.72e9, rel=1e-3)
    assert unweighted.vae_scale_factor == 8


def test_narrow_products_are_as_fast_as_their_rate() -> None:
    """Only what is in fp8 goes at its rate; the rest goes at that of bf16."""
    rates = Rates(bf16=1.0, fp8=2.0)
    assert floor_s(WORK, rates, steps=2) == 24
    assert floor_s(WORK, rates, steps=2, precision="linears in fp8") == 16
    assert floor_s(WORK, rates, steps=2, precision="transformer in fp8") == 14


def test_a_floor_without_a_rate_is_unknown() -> None:
    """A device that does not multiply fp8 has no such floor, and no fraction of it."""
    rates = Rates(bf16=1.0, fp8=None)
    assert floor_s(WORK, rates, steps=2) == 24
    assert floor_s(WORK, rates, steps=2, precision="linears in fp8") is None
    assert fraction(None, 1.0) is None


def test_the_fraction_of_what_is_possible() -> None:
    """Twice the floor is half of it; no time at all is no measurement."""
    assert fraction(24.0, 48.0) == 0.5
    assert fraction(24.0, 0.0) is None
