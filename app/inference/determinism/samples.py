"""Cuts batches into samples, which lie along dimension 0, and joins what was computed of them."""

from collections.abc import Callable
from typing import Any

import torch

Output = torch.Tensor | tuple[torch.Tensor, ...]
Function = Callable[..., Any]

ALIGNMENT_BYTES = 64


def per_sample(function: Function, *batches: torch.Tensor) -> Any:
    """The function's outputs for one canonical sample after the other, joined along dimension 0."""
    results = [function(*samples) for samples in zip(*map(samples_of, batches), strict=True)]
    if isinstance(results[0], tuple):
        return tuple(map(torch.cat, zip(*results, strict=True)))
    return torch.cat(results)


def samples_of(batch: torch.Tensor) -> list[torch.Tensor]:
    """Each sample as a batch of one, canonical."""
    return [canonical(sample) for sample in torch.split(batch, 1)]


def canonical(batch: torch.Tensor) -> torch.Tensor:
    """The tensor itself if it is dense and begins at a 64-byte boundary, else a copy that is and does.

    What a kernel computes of it then depends on nothing but its numbers, its shape, its type and
    whether its channels come last.
    """
    is_dense = batch.is_contiguous() or (batch.dim() == 4 and batch.is_contiguous(memory_format=torch.channels_last))
    if is_dense and batch.data_ptr() % ALIGNMENT_BYTES == 0:
        return batch
    return batch.clone(memory_format=torch.preserve_format if is_dense else torch.contiguous_format)
