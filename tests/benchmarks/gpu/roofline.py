"""How fast a picture could be drawn: its arithmetic, counted, over a rate at which the device multiplies matrices."""

from typing import Literal, NamedTuple

import torch
from diffusers import FluxPipeline
from torch.utils.flop_counter import FlopCounterMode

Precision = Literal["bf16", "linears in fp8", "transformer in fp8"]

# What an H200 was seen to do with random numbers in bf16, and twice that.
REFERENCE = {"bf16": 790e12, "fp8": 1580e12}


class Work(NamedTuple):
    """Floating-point operations of one picture's parts; `linears` are those of a step's products with weights."""

    encode: float
    step: float
    linears: float
    decode: float

    def total(self, steps: int) -> float:
        """All operations of a picture."""
        return self.encode + steps * self.step + self.decode


class Rates(NamedTuple):
    """Operations per second; `fp8` is None where the device does not multiply it."""

    bf16: float
    fp8: float | None


def floor_s(work: Work, rates: Rates, *, steps: int, precision: Precision = "bf16") -> float | None:
    """The seconds in which a picture of so many steps could be drawn; None without the rate that takes."""
    narrow = steps * {"bf16": 0.0, "linears in fp8": work.linears, "transformer in fp8": work.step}[precision]
    if narrow and rates.fp8 is None:
        return None
    return (work.total(steps) - narrow) / rates.bf16 + narrow / (rates.fp8 or rates.bf16)


def fraction(floor: float | None, seconds: float) -> float | None:
    """Which share of what is possible was reached; None where that is not known."""
    return None if floor is None or seconds <= 0 else floor / seconds


@torch.inference_mode()
def count_work(parts: FluxPipeline, *, side: int, tokens: int) -> Work:
    """What one square picture takes; the weights may be on the meta device, where nothing is computed."""
    transformer, clip, t5 = parts.transformer, parts.text_encoder, parts.text_encoder_2
    here = {"device": transformer.device, "dtype": transformer.dtype}
    positions = (side // (2 * parts.vae_scale_factor)) ** 2
    pooled = torch.zeros(1, transformer.config.pooled_projection_dim, **here)
    with FlopCounterMode(display=False) as encoding:
        t5(_ids(tokens, transformer.device))
        clip(_ids(clip.config.max_position_embeddings, transformer.device))
    with FlopCounterMode(display=False) as step:
        transformer(
            hidden_states=torch.zeros(1, positions, transformer.config.in_channels, **here),
            timestep=torch.ones(1, **here),
            guidance=None,
            pooled_projections=pooled,
            encoder_hidden_states=torch.zeros(1, tokens, transformer.config.joint_attention_dim, **here),
            txt_ids=torch.zeros(tokens, 3, **here),
            img_ids=torch.zeros(positions, 3, **here),
        )
    latent = side // parts.vae_scale_factor
    with FlopCounterMode(display=False) as decoding:
        parts.vae.decode(torch.zeros(1, parts.vae.config.latent_channels, latent, latent, **here))
    return Work(encoding.get_total_flops(), step.get_total_flops(), _linears(step), decoding.get_total_flops())


def _linears(counter: FlopCounterMode) -> int:
    counts = counter.get_flop_counts()["Global"]
    return sum(counts.get(operator, 0) for operator in (torch.ops.aten.mm, torch.ops.aten.addmm))


def _ids(count: int, device: torch.device) -> torch.Tensor:
    return torch.zeros(1, count, dtype=torch.long, device=device)
