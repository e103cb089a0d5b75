"""An addition to a layer, as two narrow layers beside it."""

from collections.abc import Hashable
from functools import cached_property
from typing import Any

import torch
from torch import nn

from app.inference.determinism.cases import kind_of
from app.inference.quantization import Int8Linear


class LowRank(nn.Module):
    """What a LoRA adds to the output of a layer: `up` after `down`, `rank` values between them."""

    def __init__(self, down: nn.Linear | nn.Conv2d, up: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.down = down
        self.up = up

    @property
    def rank(self) -> int:
        """How many values there are between the two layers."""
        return len(self.down.weight)

    @cached_property
    def kind(self) -> Hashable:
        """Equal for additions that differ in the values of their weights alone, once these are in their place."""
        return kind_of(self)

    def forward(self, batch: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        """What is to be added for this input of the layer, at that scale."""
        narrow: torch.Tensor = self.down(batch) * scale
        added: torch.Tensor = self.up(narrow)
        return added

    def fill(self, down: torch.Tensor, up: torch.Tensor) -> None:
        """Take copies of these weights; raises ValueError when they are of another shape."""
        for layer, weight in ((self.down, down), (self.up, up)):
            if layer.weight.shape != weight.shape:
                raise ValueError(f"the weights have shape {tuple(weight.shape)}, not {tuple(layer.weight.shape)}")
            # Where a tensor begins in a file says nothing: kernels may add up in another order there.
            copy = weight.clone(memory_format=torch.contiguous_format)
            layer.weight = nn.Parameter(copy, requires_grad=False)


def low_rank_beside(layer: nn.Module, rank: int) -> LowRank | None:
    """An addition that fits the layer, without weights; None for a kind of layer that cannot carry one."""
    with torch.device("meta"):
        match layer:
            case nn.Linear():
                return _linear(layer.in_features, rank, layer.out_features)
            case Int8Linear():
                return _linear(layer.weight.shape[0], rank, layer.weight.shape[1])
            case nn.Conv2d(groups=1, padding_mode="zeros"):
                return _convolution(layer, rank)
    return None


def _convolution(layer: Any, rank: int) -> LowRank:
    window = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation")}
    down = nn.Conv2d(layer.in_channels, rank, **window, bias=False)
    return LowRank(down, nn.Conv2d(rank, layer.out_channels, 1, bias=False))


def _linear(inner: int, rank: int, outer: int) -> LowRank:
    return LowRank(nn.Linear(inner, rank, bias=False), nn.Linear(rank, outer, bias=False))
