"""Complete pipelines of other families, of a few thousand random weights: one for each way of telling of steps."""

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from tiny_flux import SEQUENCE_LENGTH, clip_tokenizer, t5_tokenizer
from tiny_sdxl import tiny_vae
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

_WIDTH = 16


def _settled(pipeline: Any) -> Any:
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_stable_diffusion(scheduler: Any = DDIMScheduler) -> StableDiffusionPipeline:
    """Stable Diffusion with a scheduler of that class: its call tells of its steps."""
    torch.manual_seed(0)
    tokens = clip_tokenizer()
    text = CLIPTextConfig(
        vocab_size=len(tokens), hidden_size=_WIDTH, intermediate_size=32, projection_dim=_WIDTH, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=SEQUENCE_LENGTH, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=_WIDTH, attention_head_dim=8, norm_num_groups=4,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=tiny_vae(), text_encoder=CLIPTextModel(text), tokenizer=tokens, unet=unet, safety_checker=None,
        scheduler=scheduler.from_config({"steps_offset": 1, "clip_sample": False, "skip_prk_steps": True}),
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    return _settled(pipeline)


def tiny_pixart() -> PixArtAlphaPipeline:
    """PixArt with a multistep solver: its call tells of its steps in the old way."""
    torch.manual_seed(0)
    tokens = t5_tokenizer()
    text = T5Config(
        vocab_size=len(tokens), d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, dropout_rate=0.0,
        relative_attention_num_buckets=8, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    transformer = PixArtTransformer2DModel(
        sample_size=32, num_layers=1, patch_size=2, attention_head_dim=8, num_attention_heads=2, caption_channels=32,
        in_channels=4, out_channels=8, cross_attention_dim=16,
    )  # fmt: skip
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=4, norm_num_groups=1, sample_size=32,
        mid_block_add_attention=False,
    )  # fmt: skip
    pipeline = PixArtAlphaPipeline(
        tokenizer=tokens, text_encoder=T5EncoderModel(text), vae=vae, transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(),
    )  # fmt: skip
    return _settled(pipeline)


def tiny_dit() -> DiTPipeline:
    """DiT, which draws one of two classes: its call does not tell of its steps."""
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        sample_size=16, num_layers=1, patch_size=4, attention_head_dim=8, num_attention_heads=2, in_channels=4,
        out_channels=8, attention_bias=True, activation_fn="gelu-approximate", num_embeds_ada_norm=1000,
        norm_elementwise_affine=False,
    )  # fmt: skip
    labels = {0: "circle, disc", 1: "square"}
    return _settled(DiTPipeline(transformer=transformer, vae=tiny_vae(), scheduler=DDIMScheduler(), id2label=labels))
