"""FLUX.1-schnell without its weights: the same networks, filled with random numbers where they stand."""

import zlib
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from app.generation import PictureSpec
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import PromptEmbedding
from app.inference.pipelines.flux import FluxStepPipeline


class WordlessFlux(FluxStepPipeline):
    """A FLUX without tokenizers: each prompt has `tokens` ids of its own, drawn by lot and always the same."""

    def __init__(self, parts: FluxPipeline, tokens: int) -> None:
        super().__init__(parts, Manifest(max_sequence_length=tokens))

    def embedding_key(self, spec: PictureSpec) -> Hashable:
        """The prompt, and how many tokens it takes."""
        return "wordless", spec.prompt, self._sequence_length

    @torch.inference_mode()
    def encode(self, spec: PictureSpec) -> PromptEmbedding:
        """What both text encoders say to the prompt's ids."""
        clip, t5 = self.parts.text_encoder, self.parts.text_encoder_2
        chance = torch.Generator("cpu").manual_seed(zlib.crc32(spec.prompt.encode()))
        tokens = t5(_ids(t5, self._sequence_length, chance))[0]
        pooled = clip(_ids(clip, clip.config.max_position_embeddings, chance)).pooler_output
        return PromptEmbedding(tokens=tokens, pooled=pooled)


def _ids(encoder: Any, count: int, chance: torch.Generator) -> torch.Tensor:
    return torch.randint(encoder.config.vocab_size, (1, count), generator=chance).to(encoder.device)


def schnell(device: torch.device) -> FluxPipeline:
    """All of FLUX.1-schnell but the tokenizers, made in bfloat16 on the device itself.

    The numbers are PyTorch's own initial ones, with which no layer makes its input larger: nothing overflows.
    """
    torch.manual_seed(0)
    with _made(device, torch.bfloat16):
        made = {"transformer": _transformer(), "vae": _autoencoder(), "text_encoder": _clip(), "text_encoder_2": _t5()}
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0)
    parts = FluxPipeline(scheduler=scheduler, tokenizer=None, tokenizer_2=None, **made)
    for network in networks(parts):
        network.eval().requires_grad_(False)
    return parts


def networks(parts: FluxPipeline) -> list[torch.nn.Module]:
    """The networks of a pipeline."""
    return [part for part in parts.components.values() if isinstance(part, torch.nn.Module)]


def weight_bytes(parts: FluxPipeline) -> int:
    """What all its weights take."""
    weights = [weight for network in networks(parts) for weight in network.parameters()]
    return sum(weight.numel() * weight.element_size() for weight in weights)


@contextmanager
def _made(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)


def _transformer() -> FluxTransformer2DModel:
    return FluxTransformer2DModel(
        patch_size=1, in_channels=64, num_layers=19, num_single_layers=38, attention_head_dim=128,
        num_attention_heads=24, joint_attention_dim=4096, pooled_projection_dim=768, guidance_embeds=False,
        axes_dims_rope=(16, 56, 56),
    )  # fmt: skip


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=16, sample_size=1024,
        scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip


def _clip() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, projection_dim=768, num_hidden_layers=12, num_attention_heads=12
        )
    )


def _t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=32_128, d_model=4096, d_kv=64, d_ff=10_240, num_layers=24, num_heads=64, dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
        )
    )  # fmt: skip
