"""A complete SDXL pipeline of a few thousand random weights, for tests that need real plumbing and no quality."""

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from tiny_flux import SEQUENCE_LENGTH, clip_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

_WIDTH = 16
_SIZE_WIDTH = 4


def _text_config(vocabulary: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=_WIDTH, intermediate_size=32, projection_dim=_WIDTH, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=SEQUENCE_LENGTH, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip


def _unet(guidance_width: int | None) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(16, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * _WIDTH, attention_head_dim=(1, 2), transformer_layers_per_block=(1, 1),
        norm_num_groups=4, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=_SIZE_WIDTH, projection_class_embeddings_input_dim=6 * _SIZE_WIDTH + _WIDTH,
        time_cond_proj_dim=guidance_width,
    )  # fmt: skip


def tiny_vae(*, force_upcast: bool = False, statistics: bool = False) -> AutoencoderKL:
    """An autoencoder of factor two; with `statistics` it knows the mean and deviation of its latents."""
    means, deviations = ([0.1, -0.2, 0.3, 0.0], [1.5, 0.5, 1.0, 2.0]) if statistics else (None, None)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=1, sample_size=32,
        scaling_factor=0.5, force_upcast=force_upcast, latents_mean=means, latents_std=deviations,
    )  # fmt: skip


def tiny_sdxl(
    *,
    seed: int = 0,
    vae: AutoencoderKL | None = None,
    guidance_width: int | None = None,
    zeros: bool = True,
    **scheduling: object,
) -> StableDiffusionXLPipeline:
    """A pipeline that draws 32 x 32 noise art from its prompt; `scheduling` goes to the scheduler's configuration.

    `guidance_width` makes a network that is told the guidance scale; `zeros` says whether no
    negative prompt means zeros instead of the embedding of nothing.
    """
    torch.manual_seed(seed)
    tokens = clip_tokenizer()
    pipeline = StableDiffusionXLPipeline(
        vae=vae or tiny_vae(),
        text_encoder=CLIPTextModel(_text_config(len(tokens))),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(len(tokens))),
        tokenizer=tokens,
        tokenizer_2=tokens,
        unet=_unet(guidance_width),
        scheduler=EulerDiscreteScheduler(
            **{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"} | scheduling
        ),
        force_zeros_for_empty_prompt=zeros,
    )
    for module in (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
        module.eval().requires_grad_(False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
