"""Makes a transformer batch-invariant: a sample's numbers never depend on who shares its batch.

Matrix and attention kernels choose their blocking by the size of the whole batch, so that in
other company a row's products are added up in another order. Here each of them runs once per
sample, on the shape, layout and alignment that it has when the sample is alone. Norms and
element-wise arithmetic stay batched: they treat every row by itself.
"""

from collections.abc import Callable
from typing import Any

import torch
from diffusers.models import activations
from diffusers.models.embeddings import Timesteps, apply_rotary_emb
from diffusers.models.transformers.transformer_flux import FluxAttention, FluxAttnProcessor
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

_ALIGNMENT_BYTES = 64
_LANES = 64


def make_batch_invariant(transformer: Any) -> None:
    """Replace, in place, every part of a FLUX transformer whose result could depend on the batch.

    Weights are shared, not copied; a sample alone is computed as before.
    """
    for parent in list(transformer.modules()):
        for name, child in parent.named_children():
            setattr(parent, name, _invariant(child))
    for module in transformer.modules():
        if isinstance(module, FluxAttention):
            module.set_processor(PerSampleAttention())


def _invariant(module: nn.Module) -> nn.Module:
    if type(module) is nn.Linear:
        return PerSampleLinear.sharing(module)
    if isinstance(module, Timesteps):
        return PerSample(module)
    if isinstance(module, nn.SiLU | nn.GELU | activations.GELU):
        return PerSampleOffLanes(module)
    return module


class PerSampleLinear(nn.Linear):
    """A linear layer that multiplies the rows of one sample at a time (samples along dimension 0)."""

    @classmethod
    def sharing(cls, linear: nn.Linear) -> "PerSampleLinear":
        """The batch-invariant twin of a layer, with the same parameter objects."""
        twin = cls(linear.in_features, linear.out_features, bias=linear.bias is not None, device="meta")
        twin.weight, twin.bias = linear.weight, linear.bias
        return twin

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Like nn.Linear."""
        return per_sample(super().forward, batch)


class PerSample(nn.Module):
    """Runs a module once per sample (along dimension 0)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """The module's output."""
        return per_sample(self.module, batch)


class PerSampleOffLanes(PerSample):
    """Runs an element-wise module once per sample unless each sample fills whole vector registers.

    Vectorised exponentials round unlike the scalar code that handles what is left over at the
    end of a thread's share; a share that ends with a sample has no such rest.
    """

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """The module's output."""
        if batch.is_cuda or (torch.get_num_threads() == 1 and batch.numel() // len(batch) % _LANES == 0):
            output: torch.Tensor = self.module(batch)
            return output
        return super().forward(batch)


class PerSampleAttention(FluxAttnProcessor):
    """FLUX's joint attention with one attention kernel per sample."""

    def __call__(
        self,
        attn: FluxAttention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Like FluxAttnProcessor; the mask is unused, as in every FLUX model."""
        query, key, value = _heads(attn, (attn.to_q, attn.to_k, attn.to_v), (attn.norm_q, attn.norm_k), hidden_states)
        if encoder_hidden_states is not None:
            projections = (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj)
            text = _heads(attn, projections, (attn.norm_added_q, attn.norm_added_k), encoder_hidden_states)
            query, key, value = (torch.cat(pair, dim=1) for pair in zip(text, (query, key, value), strict=True))
        query, key = (apply_rotary_emb(part, image_rotary_emb, sequence_dim=1) for part in (query, key))
        attended = per_sample(_attend, query, key, value).flatten(2, 3)
        if encoder_hidden_states is None:
            return attended
        text_length = encoder_hidden_states.shape[1]
        image = attn.to_out[0](attended[:, text_length:])
        return attn.to_out[1](image), attn.to_add_out(attended[:, :text_length])


def _heads(
    attn: FluxAttention, projections: tuple[nn.Module, ...], norms: tuple[nn.Module, nn.Module], hidden: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    query, key, value = (project(hidden).unflatten(-1, (-1, attn.head_dim)) for project in projections)
    return norms[0](query), norms[1](key), value


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    by_head = scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    return by_head.transpose(1, 2)


def per_sample(function: Callable[..., torch.Tensor], *batches: torch.Tensor) -> torch.Tensor:
    """The function's outputs for one sample after the other, joined along dimension 0."""
    if len(batches[0]) == 1:
        return function(*map(_aligned, batches))
    split = [torch.split(batch, 1) for batch in batches]
    return torch.cat([function(*map(_aligned, sample)) for sample in zip(*split, strict=True)])


def _aligned(sample: torch.Tensor) -> torch.Tensor:
    sample = sample.contiguous()
    return sample.clone() if sample.data_ptr() % _ALIGNMENT_BYTES else sample
