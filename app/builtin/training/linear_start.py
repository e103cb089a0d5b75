"""Weights written down instead of learnt: an encoder that is exact, a decoder that begins as plain interpolation.

Both rest on the paths that skip the residual blocks, whose own contribution starts at zero. The last
normalisation and activation are undone: constant channels dominate the norm, so that it divides by a
nearly fixed number, and a value is carried with its negative, for silu(x) - silu(-x) = x.
"""

from math import sqrt
from typing import Final

import torch
from diffusers.models.autoencoders.vae import Decoder, Encoder
from torch import Tensor, nn

COLOURS: Final = 3
FOLDED: Final = 12
_EXACT: Final = 32.0
_TRAINABLE: Final = 4.0


@torch.no_grad()
def write_encoder(encoder: Encoder, log_variance: float) -> None:
    """Make the encoder return the pinned latents, with a constant log-variance."""
    _silence_residuals(encoder)
    for layer in (encoder.conv_in, encoder.conv_out, *_shortcuts(encoder)):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    _pass_on(encoder.conv_in, COLOURS)
    average, fold = (block.downsamplers[0].conv for block in encoder.down_blocks[:2])
    for layer in (average, fold):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    for channel in range(COLOURS):
        average.weight[channel, channel, :2, :2] = 0.25
        for row in range(2):
            for column in range(2):
                fold.weight[4 * channel + 2 * row + column, channel, row, column] = 1.0
    widen, lift = _shortcuts(encoder)
    _pass_on(widen, COLOURS)
    _carry_with_negatives(lift, torch.eye(FOLDED), _EXACT)
    _undo_output(encoder.conv_norm_out, encoder.conv_out, FOLDED, _EXACT)
    encoder.conv_out.bias[FOLDED:] = log_variance


@torch.no_grad()
def start_decoder(decoder: Decoder) -> None:
    """Make the decoder begin as bilinear enlargement of the latents' mean colours; all other weights stay random."""
    _silence_residuals(decoder)
    _pass_on(decoder.conv_in, FOLDED)
    first, second = (block.upsamplers[0].conv for block in decoder.up_blocks[:2])
    _pass_on(first, FOLDED)
    narrow, finish = _shortcuts(decoder)
    narrow.weight[:COLOURS] = 0.0
    narrow.weight[:COLOURS, :FOLDED, 0, 0] = torch.eye(COLOURS).repeat_interleave(4, dim=1) / 4
    narrow.bias[:COLOURS] = 0.0
    tent = torch.tensor([0.25, 0.5, 0.25])
    _pass_on(second, COLOURS)
    second.weight[range(COLOURS), range(COLOURS)] = torch.outer(tent, tent)
    _carry_with_negatives(finish, torch.eye(COLOURS), _TRAINABLE)
    _undo_output(decoder.conv_norm_out, decoder.conv_out, COLOURS, _TRAINABLE)


def _shortcuts(network: nn.Module) -> list[nn.Conv2d]:
    return [module for name, module in network.named_modules() if name.endswith("conv_shortcut")]


def _silence_residuals(network: nn.Module) -> None:
    for name, module in network.named_modules():
        if name.endswith(".conv2"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def _pass_on(layer: nn.Conv2d, channels: int) -> None:
    middle = layer.kernel_size[0] // 2
    layer.weight[:channels] = 0.0
    layer.bias[:channels] = 0.0
    layer.weight[range(channels), range(channels), middle, middle] = 1.0


def _carry_with_negatives(layer: nn.Conv2d, values: Tensor, constant: float) -> None:
    carried, width = 2 * len(values), layer.out_channels
    nn.init.zeros_(layer.weight)
    layer.weight[:carried, : values.shape[1], 0, 0] = torch.cat([values, -values])
    layer.bias[:] = 0.0
    layer.bias[carried::2] = constant
    layer.bias[carried + 1 :: 2] = -constant


def _undo_output(norm: nn.GroupNorm, output: nn.Conv2d, values: int, constant: float) -> None:
    constants = norm.num_channels - 2 * values
    norm.weight[:] = 1.0
    norm.bias[:] = 0.0
    nn.init.zeros_(output.weight)
    nn.init.zeros_(output.bias)
    gain = constant * sqrt(constants / norm.num_channels)
    output.weight[range(values), range(values), 1, 1] = gain
    output.weight[range(values), range(values, 2 * values), 1, 1] = -gain
