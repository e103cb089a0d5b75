"""Eight-bit layers: close to the original, a quarter of its bytes, and blind to the batch."""

import copy
from importlib.util import find_spec

import pytest
import torch
from diffusers import FluxPipeline
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from app.errors import ConfigurationError
from app.inference.components import module_bytes
from app.inference.quantization import Int8Linear, quantize_blocks, require_fp8

LINEAR = nn.Linear(48, 24).requires_grad_(False)
QUANTIZED = Int8Linear(LINEAR)


def rows_of(count: int, seed: int) -> torch.Tensor:
    """Random rows of very different size."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 48, generator=generator) * torch.logspace(-3, 3, count)[:, None]


@given(st.integers(1, 40), st.integers(0, 99))
def test_no_row_can_see_another(count: int, seed: int) -> None:
    """Each row gives the same bits alone as among others, however large those are."""
    rows = rows_of(count, seed)
    together = QUANTIZED(rows)
    assert all(torch.equal(QUANTIZED(row[None])[0], result) for row, result in zip(rows, together, strict=True))


@given(st.integers(1, 20), st.integers(0, 99))
def test_the_error_is_that_of_two_roundings(count: int, seed: int) -> None:
    """A product is off by at most half a level of the row's and of the weight's scale per summand."""
    rows = rows_of(count, seed)
    row_scale, weight_scale = (part.abs().amax(1, keepdim=True) / 127 for part in (rows, LINEAR.weight))
    bound = (row_scale / 2) @ LINEAR.weight.abs().sum(1)[None] + (rows.abs().sum(1)[:, None] + 24 * row_scale) @ (
        weight_scale.T / 2
    )
    assert ((QUANTIZED(rows) - LINEAR(rows)).abs() <= bound * 1.001 + 1e-6).all()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_and_type_are_those_of_the_input(bias: bool, dtype: torch.dtype) -> None:
    """An int8 layer takes the place of any linear layer."""
    linear = nn.Linear(48, 24, bias=bias, dtype=dtype).requires_grad_(False)
    batch = torch.randn(2, 5, 48, dtype=dtype)
    result = Int8Linear(linear)(batch)
    assert (result.shape, result.dtype) == ((2, 5, 24), dtype)
    torch.testing.assert_close(result, linear(batch), atol=0.05, rtol=0.05)


def test_a_row_of_zeros_gives_the_bias() -> None:
    """Nothing divides by zero."""
    assert torch.equal(QUANTIZED(torch.zeros(1, 48))[0], LINEAR.bias)


def test_the_blocks_shrink_to_a_quarter(flux: FluxPipeline) -> None:
    """Every weight matrix inside the blocks becomes int8; what stands around them keeps its type."""
    transformer = copy.deepcopy(flux.transformer)
    quantize_blocks(transformer)
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    inside = {type(module) for block in blocks for module in block.modules()}
    assert Int8Linear in inside
    assert nn.Linear not in inside
    assert type(transformer.proj_out) is type(transformer.x_embedder) is nn.Linear


def test_an_int8_transformer_still_draws_the_same_way(flux: FluxPipeline) -> None:
    """The velocity of a quantised transformer points where the original's does."""
    quantized = copy.deepcopy(flux.transformer)
    quantize_blocks(quantized)
    torch.manual_seed(0)
    inputs = {
        "hidden_states": torch.randn(1, 12, 16), "encoder_hidden_states": torch.randn(1, 8, 32),
        "pooled_projections": torch.randn(1, 16), "timestep": torch.tensor([0.5]),
        "img_ids": torch.zeros(12, 3), "txt_ids": torch.zeros(8, 3), "return_dict": False,
    }  # fmt: skip
    exact, rounded = flux.transformer(**inputs)[0], quantized(**inputs)[0]
    assert (exact - rounded).norm() < 0.05 * exact.norm()


def test_layers_move_to_their_device_one_by_one(flux: FluxPipeline) -> None:
    """What becomes eight bits wide is brought to the device first, and the rest stays where it is."""
    transformer = copy.deepcopy(flux.transformer)
    quantize_blocks(transformer, device="meta")
    assert transformer.transformer_blocks[0].attn.to_q.weight.device.type == "meta"
    assert transformer.proj_out.weight.device.type == "cpu"


needs_torchao = pytest.mark.skipif(find_spec("torchao") is None, reason="needs the extra `quantization`")


class Block(nn.Module):
    """A denoiser that is one block of one layer."""

    _repeated_blocks = ("Block",)

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, 32, dtype=torch.bfloat16).requires_grad_(False)


@pytest.fixture(scope="module")
def fp8_layer() -> nn.Linear:
    """A layer of fp8 weights."""
    block = Block(48)
    quantize_blocks(block, "fp8")
    return block.layer


@needs_torchao
def test_no_row_can_see_another_in_fp8(fp8_layer: nn.Linear) -> None:
    """Each row has its own scale, so that a large one does not round a small one to nothing."""
    rows = rows_of(7, seed=0).bfloat16()
    together = fp8_layer(rows)
    assert all(torch.equal(fp8_layer(row[None])[0], result) for row, result in zip(rows, together, strict=True))


@needs_torchao
def test_fp8_is_near_and_half_as_large(fp8_layer: nn.Linear) -> None:
    """Three bits of mantissa round by a sixteenth at most, for one byte per weight and four per row of them."""
    rows = rows_of(7, seed=1).bfloat16()
    exact = nn.functional.linear(rows, fp8_layer.weight.dequantize(), fp8_layer.bias)
    assert ((fp8_layer(rows) - exact).norm(dim=1) < exact.norm(dim=1) / 16).all()
    assert module_bytes(fp8_layer) == 48 * 32 + 4 * 32 + 2 * 32


@needs_torchao
def test_sides_that_fp8_kernels_do_not_take_keep_their_type() -> None:
    """A layer whose sides are no multiples of sixteen stays as it was."""
    block = Block(40)
    quantize_blocks(block, "fp8")
    assert type(block.layer.weight) is nn.Parameter


def test_fp8_needs_a_device_that_multiplies_it() -> None:
    """On a CPU the start says what fp8 needs, and what can be had instead."""
    with pytest.raises(ConfigurationError, match=r"compute capability 8\.9 or more .* set quantization: int8"):
        require_fp8("cpu")
