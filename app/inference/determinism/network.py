"""Finds the parts of a diffusers network that see a whole batch and makes them invariant, in place."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from diffusers.models import activations, normalization
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import Timesteps
from torch import nn

from app.inference.determinism.cases import kind_of
from app.inference.determinism.parts import InvariantActivation, InvariantAttention, InvariantLayer, InvariantPart
from app.inference.determinism.rehearsal import Place, Rehearsed
from app.inference.determinism.verdicts import Verdicts

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, normalization.RMSNorm)
_LAYERS = (*_CONVOLUTIONS, *_NORMS, Timesteps)
_ACTIVATIONS = (nn.SiLU, nn.GELU, nn.Mish, activations.FP32SiLU)
_GATES = (activations.GELU, activations.GEGLU)


def make_batch_invariant(denoiser: Any) -> None:
    """Let a FLUX transformer or a U-Net of diffusers compute every sample of a batch as if it were alone.

    Parameters and their names stay as they are. A sample alone is computed as before, except that layers
    are given dense and aligned copies of what is not. Call this again after layers were added, replaced
    or moved: what was found out about the others is kept.
    """
    before = vars(denoiser).get("forward")
    verdicts = Verdicts()
    if isinstance(before, Rehearsed):
        before.clear()
        denoiser.forward, verdicts = before.plain, before.verdicts
    denoiser.forward = Rehearsed(denoiser.forward, list(_places(denoiser, verdicts)), verdicts)


def _places(denoiser: nn.Module, verdicts: Verdicts) -> Iterator[Place]:
    for module in denoiser.modules():
        for name, make in _parts(module):
            yield Place(module, name, make(getattr(module, name), kind=kind_of(module), verdicts=verdicts))


def _parts(module: nn.Module) -> Iterator[tuple[str, Callable[..., InvariantPart]]]:
    if isinstance(module, nn.Linear):
        # Weights of eight-bit libraries know their own product alone.
        others = (partial(_product, module),) if type(module.weight) is nn.Parameter else ()
        yield "forward", partial(InvariantLayer, forms=others)
    elif isinstance(module, _LAYERS):
        yield "forward", InvariantLayer
    elif isinstance(module, _ACTIVATIONS):
        yield "forward", InvariantActivation
    elif isinstance(module, _GATES):
        yield "gelu", InvariantActivation
    elif isinstance(module, Attention | AttentionModuleMixin):
        yield "forward", InvariantAttention


def _product(linear: nn.Linear, batch: torch.Tensor) -> torch.Tensor:
    """The layer as one matrix product per sample, in a single call."""
    rows = batch.reshape(len(batch), -1, linear.in_features)
    weight = linear.weight.t().expand(len(batch), -1, -1)
    products = torch.bmm(rows, weight) if linear.bias is None else torch.baddbmm(linear.bias, rows, weight)
    return products.reshape(*batch.shape[:-1], linear.out_features)
