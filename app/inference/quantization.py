"""Eight-bit linear layers in which no row can influence another.

Weights are symmetric int8 per output channel. Activations become int8 per row while the
layer runs (never per tensor: a picture would depend on its batch), and products are summed
as exact integers, so that the order of summing, and with it the batch, cannot matter.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad

_LARGEST = 127
_LEAST_MAGNITUDE = 1e-12
_CUDA_LEAST_ROWS = 32


def quantize_blocks(transformer: Any) -> None:
    """Turn, in place, the linear layers of a diffusers transformer's repeated blocks into int8 ones.

    What stands before and after the blocks keeps its precision: it is small, and errors there show most.
    """
    blocks = [module for module in transformer.modules() if type(module).__name__ in transformer._repeated_blocks]
    for parent in [module for block in blocks for module in block.modules()]:
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                setattr(parent, name, Int8Linear(child))


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
