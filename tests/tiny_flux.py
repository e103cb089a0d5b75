"""A complete FLUX pipeline of a few thousand random weights, for tests that need real plumbing and no quality."""

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from tokenizers import pre_tokenizers
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

# Threads of a network this small only wait for one another, for minutes on a busy machine.
torch.set_num_threads(1)

WORDS = ("a", "red", "blue", "circle", "square", "left", "of", "<32x24>")
SEQUENCE_LENGTH = 8
SIZES = ((32, 32), (32, 24))


def t5_tokenizer() -> T5Tokenizer:
    """A tokenizer that knows the words of the tests."""
    letters = [(letter, -10.0) for letter in "abcdefghijklmnopqrstuvwxyz<>0123456789"]
    words = [("▁" + word, -1.0) for word in WORDS]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *words, *letters]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, additional_special_tokens=[], model_max_length=SEQUENCE_LENGTH)


def clip_tokenizer() -> CLIPTokenizer:
    """A tokenizer that knows letters and no words."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    end = "<|endoftext|>"
    return CLIPTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)},
        merges=[],
        bos_token="<|startoftext|>",
        eos_token=end,
        pad_token=end,
        unk_token=end,
        model_max_length=SEQUENCE_LENGTH,
    )


def _text_encoders(t5_vocabulary: int, clip_vocabulary: int) -> tuple[CLIPTextModel, T5EncoderModel]:
    clip = CLIPTextConfig(
        vocab_size=clip_vocabulary, hidden_size=16, intermediate_size=32, projection_dim=16, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=SEQUENCE_LENGTH, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    t5 = T5Config(
        vocab_size=t5_vocabulary, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, dropout_rate=0.0,
        relative_attention_num_buckets=8, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return CLIPTextModel(clip), T5EncoderModel(t5)


def _transformer(width: int, guidance: bool) -> FluxTransformer2DModel:
    return FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=width // 2,
        num_attention_heads=2, joint_attention_dim=32, pooled_projection_dim=16, guidance_embeds=guidance,
        axes_dims_rope=(4, (width // 2 - 4) // 2, (width // 2 - 4) // 2),
    )  # fmt: skip


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=1, sample_size=32,
        scaling_factor=1.5, shift_factor=0.25, use_quant_conv=False, use_post_quant_conv=False,
        mid_block_add_attention=False,
    )  # fmt: skip


def tiny_flux(*, seed: int = 0, width: int = 32, guidance: bool = False, shift: float = 1.0) -> FluxPipeline:
    """A pipeline that draws 32 x 32 noise art from its prompt; equal arguments give equal weights."""
    torch.manual_seed(seed)
    t5_tokens, clip_tokens = t5_tokenizer(), clip_tokenizer()
    clip, t5 = _text_encoders(len(t5_tokens), len(clip_tokens))
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=shift),
        vae=_vae(),
        text_encoder=clip,
        tokenizer=clip_tokens,
        text_encoder_2=t5,
        tokenizer_2=t5_tokens,
        transformer=_transformer(width, guidance),
    )
    for module in (pipeline.transformer, pipeline.vae, clip, t5):
        module.eval().requires_grad_(False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
