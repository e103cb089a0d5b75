"""Eight-bit linear layers in which no row can influence another.

Weights have one scale per output channel. Activations get one per row while the layer runs,
never one per tensor: a picture would depend on its batch. Products of int8 are summed as exact
integers, so that the order of summing, and with it the batch, cannot matter at all; those of
fp8 are for GPUs that multiply it faster than anything wider.
"""

from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.functional import pad

from app.errors import ConfigurationError

_LARGEST = 127
_LEAST_MAGNITUDE = 1e-12
_CUDA_LEAST_ROWS = 32
_FP8_CAPABILITY = (8, 9)
_FP8_MULTIPLE = 16


def quantize_blocks(denoiser: Any, precision: Literal["int8", "fp8"] = "int8", *, device: str | None = None) -> None:
    """Turn, in place, the linear layers of a diffusers denoiser's repeated blocks into eight-bit ones.

    What stands before and after the blocks keeps its precision: it is small, and errors there show
    most. With a `device`, layers move there one by one, so that it never holds the wide weights.
    """
    narrow = Int8Linear if precision == "int8" else _fp8_linear
    blocks = [module for module in denoiser.modules() if type(module).__name__ in denoiser._repeated_blocks]
    for parent in [module for block in blocks for module in block.modules()]:
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                setattr(parent, name, narrow(child if device is None else child.to(device)))


def require_fp8(device: str) -> None:
    """Raises ConfigurationError unless the device multiplies fp8 and torchao is installed."""
    if device == "cpu" or torch.cuda.get_device_capability(device) < _FP8_CAPABILITY:
        raise ConfigurationError(
            "quantization: fp8 needs a GPU of compute capability 8.9 or more (Ada, Hopper, Blackwell); "
            "set quantization: int8, or none"
        )
    if find_spec("torchao") is None:
        raise ConfigurationError("quantization: fp8 needs torchao: pip install 'darkroom[quantization]'")


class Int8Linear(nn.Module):
    """A linear layer with int8 weights; the result has the input's type."""

    weight: torch.Tensor
    weight_scale: torch.Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = _scale(weight)
        self.register_buffer("weight", _round(weight, scale).t().contiguous())
        self.register_buffer("weight_scale", scale.flatten())
        self.bias = linear.bias

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Like nn.Linear, within the rounding of rows and weights to 255 levels each."""
        rows = batch.reshape(-1, batch.shape[-1]).float()
        scale = _scale(rows)
        products = self._multiply(_round(rows, scale)).float().mul_(scale).mul_(self.weight_scale)
        if self.bias is not None:
            products.add_(self.bias)
        return products.to(batch.dtype).reshape(*batch.shape[:-1], -1)

    def _multiply(self, rows: torch.Tensor) -> torch.Tensor:
        missing = _CUDA_LEAST_ROWS - len(rows)
        if rows.is_cuda and missing > 0:
            return torch._int_mm(pad(rows, (0, 0, 0, missing)), self.weight)[: len(rows)]
        return torch._int_mm(rows, self.weight)


def _scale(rows: torch.Tensor) -> torch.Tensor:
    return rows.abs().amax(dim=-1, keepdim=True).clamp_min_(_LEAST_MAGNITUDE).div_(_LARGEST)


def _round(rows: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return (rows / scale).round_().to(torch.int8)


def _fp8_linear(linear: nn.Linear) -> nn.Linear:
    """The layer itself with torchao's fp8 weights, unless its sides are not those that the kernels take."""
    from torchao.quantization import Float8MMConfig, Float8Tensor, PerRow
    from torchao.quantization.quantize_.common import KernelPreference
    from torchao.quantization.quantize_.workflows import QuantizeTensorToFloat8Kwargs

    if linear.in_features % _FP8_MULTIPLE or linear.out_features % _FP8_MULTIPLE:
        return linear
    how = {"granularity": PerRow(), "kernel_preference": KernelPreference.TORCH}
    activations = QuantizeTensorToFloat8Kwargs(**how)
    mm_config = Float8MMConfig(use_fast_accum=True)
    weight = Float8Tensor.from_hp(linear.weight.detach(), **how, mm_config=mm_config, act_quant_kwargs=activations)
    linear.weight = nn.Parameter(weight, requires_grad=False)
    return linear
