"""Tells apart what kernels tell apart: calls of one case run the same code, whatever their numbers."""

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from app.inference.determinism.samples import ALIGNMENT_BYTES


def case_of(arguments: Iterable[Any], named: Mapping[str, Any]) -> Hashable:
    """Equal for calls that differ in numbers alone: those in tensors and those beside them."""
    return tuple(map(_trait, arguments)), _trait(named), torch.get_num_threads()


def kind_of(part: Any) -> Hashable:
    """Equal for modules that differ in the values of their weights alone."""
    settings = (
        (name, str(value)) for name, value in vars(part).items() if isinstance(value, int | float | str | tuple)
    )
    kind = (type(part), tuple(sorted(settings)), _kind_of_processor(part))
    if not isinstance(part, nn.Module):
        return kind
    weights = tuple(map(_trait, part.parameters(recurse=False)))
    return (*kind, weights, tuple((name, kind_of(child)) for name, child in part.named_children()))


def _kind_of_processor(part: Any) -> Hashable:
    processor = vars(part).get("processor")
    return None if processor is None else kind_of(processor)


def _trait(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor):
        return value.shape, value.stride(), value.dtype, value.device, value.data_ptr() % ALIGNMENT_BYTES
    if isinstance(value, tuple | list):
        return tuple(map(_trait, value))
    if isinstance(value, Mapping):
        return tuple((name, _trait(entry)) for name, entry in value.items())
    if isinstance(value, bool | str):
        return value
    return type(value).__qualname__
