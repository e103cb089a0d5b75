"""The configurations of the built-in model's parts."""

from dataclasses import dataclass
from math import sqrt

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from app.builtin.training.manifest import SEQUENCE_LENGTH
from app.builtin.training.tokenisers import build_clip_tokenizer, t5_pieces

LATENT_CHANNELS = 12
LATENT_SCALE = 1.5
LATENT_SHIFT = 0.25
POOLED_WIDTH = 64


@dataclass(frozen=True)
class Size:
    """Width and depth of the denoiser."""

    double_blocks: int = 2
    single_blocks: int = 3
    heads: int = 4
    head_width: int = 32

    @property
    def width(self) -> int:
        """The number of channels of every token."""
        return self.heads * self.head_width


def build_t5(*, width: int = 128, layers: int = 3, heads: int = 8) -> T5EncoderModel:
    """An untrained T5 encoder over the grammar's vocabulary."""
    config = T5Config(
        vocab_size=len(t5_pieces()), d_model=width, d_kv=32, num_heads=heads, d_ff=2 * width, num_layers=layers,
        relative_attention_num_buckets=32, relative_attention_max_distance=SEQUENCE_LENGTH, dropout_rate=0.0,
        feed_forward_proj="gated-gelu", is_encoder_decoder=False, use_cache=False, tie_word_embeddings=False,
        pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = T5EncoderModel(config)
    _initialise(model)
    nn.init.normal_(model.shared.weight, std=1.0)
    for name, parameter in model.named_parameters():
        if name.endswith(".q.weight"):
            nn.init.normal_(parameter, std=1 / sqrt(width * config.d_kv))
        elif "relative_attention_bias" in name:
            _initialise_distances(parameter)
    return model


def _initialise_distances(bias: Tensor) -> None:
    """Let half of the heads begin by looking at the next two words on either side or at all on one side."""
    nn.init.normal_(bias, std=2.0)
    rightward = bias.shape[0] // 2
    with torch.no_grad():
        bias[:, :4] *= 0.1
        bias[1, 0] = bias[2, 1] = 5.0
        bias[1:rightward, 2] = bias[rightward:, 3] = 4.0


def build_clip(*, width: int = POOLED_WIDTH, layers: int = 2) -> CLIPTextModel:
    """An untrained CLIP text encoder over the grammar's vocabulary."""
    tokenizer = build_clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=width // 32, max_position_embeddings=SEQUENCE_LENGTH, projection_dim=width,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    model = CLIPTextModel(config)
    _initialise(model)
    return model


def build_transformer(size: Size = Size()) -> FluxTransformer2DModel:
    """An untrained FLUX denoiser whose first prediction is zero."""
    model = FluxTransformer2DModel(
        patch_size=1, in_channels=4 * LATENT_CHANNELS, num_layers=size.double_blocks,
        num_single_layers=size.single_blocks, attention_head_dim=size.head_width, num_attention_heads=size.heads,
        joint_attention_dim=128, pooled_projection_dim=POOLED_WIDTH, guidance_embeds=False, axes_dims_rope=(4, 14, 14),
    )  # fmt: skip
    _initialise(model)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and (name == "proj_out" or ".norm" in name or name.startswith("norm_out")):
            nn.init.zeros_(module.weight)
    return model


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """The Euler scheduler of rectified flow, without any shift of its timesteps."""
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0, use_dynamic_shifting=False)


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=1 / sqrt(module.in_features))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """The weights of the model's blocks that are matrices: what Muon trains."""
    return [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and ("block" in name or "layers" in name) and "bias" not in name
    ]


def distance_biases(model: nn.Module) -> list[nn.Parameter]:
    """The T5 encoder's only sense of position: how much each head attends to words so far away."""
    return [parameter for name, parameter in model.named_parameters() if "relative_attention_bias" in name]


def round_to_bfloat16(model: nn.Module) -> None:
    """Round every parameter to bfloat16 in place, as shipped weights are."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16().float())
