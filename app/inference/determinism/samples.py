"""Cuts batches into samples, which lie along dimension 0, and joins what was computed of them."""

from collections.abc import Callable
from typing import Any

import torch

Output = torch.Tensor | tuple[torch.Tensor, ...]
Function = Callable[..., Any]

ALIGNMENT_BYTES = 64


def per_sample(function: Function, *batches: torch.Tensor) -> Any:
    """The function's outputs for one canonical sample after the other, joined along dimension 0."""
    samples = zip(*(map(canonical, torch.split(batch, 1)) for batch in batches), strict=True)
    results = [function(*sample) for sample in samples]
    if isinstance(results[0], tuple):
        return tuple(map(torch.cat, zip(*results, strict=True)))
    return torch.cat(results)


def canonical(batch: torch.Tensor) -> torch.Tensor:
    """The tensor itself if it is dense and begins at a 64-byte boundary, else a copy that is and does.

    What a kernel computes of it then depends on nothing but its numbers, its shape, its type and
    whether its channels come last.
    """
    dense = is_dense(batch)
    if dense and batch.data_ptr() % ALIGNMENT_BYTES == 0:
        return batch
    return batch.clone(memory_format=torch.preserve_format if dense else torch.contiguous_format)


def is_dense(batch: torch.Tensor) -> bool:
    """True if its numbers lie side by side, sample after sample, in the usual order or with channels last."""
    return batch.is_contiguous() or (batch.dim() == 4 and batch.is_contiguous(memory_format=torch.channels_last))
