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

# How large the constant channels are: the larger, the more exact, and the harder to train further.
_EXACT: Final = 32.0
_TRAINABLE: Final = 4.0


@torch.no_grad()
def write_encoder(encoder: Encoder, *, log_variance: float) -> None:
    """Make the encoder return the pinned latents, with a constant log-variance."""
    _silence_residuals(encoder)
    average, fold = (block.downsamplers[0].conv for block in encoder.down_blocks[:2])
    widen, lift = _shortcuts(encoder)
    _clear(encoder.conv_in, average, fold, widen, lift, encoder.conv_out)
    _pass_on(encoder.conv_in, COLOURS)
    for colour in range(COLOURS):
        average.weight[colour, colour, :2, :2] = 0.25
        fold.weight[4 * colour : 4 * colour + 4, colour, :2, :2] = torch.eye(4).view(4, 2, 2)
    _pass_on(widen, COLOURS)
    _carry_with_negatives(lift, FOLDED, _EXACT)
    _undo_output(encoder.conv_norm_out, encoder.conv_out, FOLDED, _EXACT)
    encoder.conv_out.bias[FOLDED:] = log_variance


@torch.no_grad()
def start_decoder(decoder: Decoder) -> None:
    """Make the decoder begin as bilinear enlargement of the latents' mean colours; its other weights stay random."""
    _silence_residuals(decoder)
    first, second = (block.upsamplers[0].conv for block in decoder.up_blocks[:2])
    narrow, finish = _shortcuts(decoder)
    _pass_on(decoder.conv_in, FOLDED)
    _pass_on(first, FOLDED)
    _pass_on(narrow, COLOURS)
    narrow.weight[:COLOURS, :FOLDED, 0, 0] = torch.eye(COLOURS).repeat_interleave(4, dim=1) / 4
    tent = torch.tensor([0.25, 0.5, 0.25])
    _pass_on(second, COLOURS)
    second.weight[range(COLOURS), range(COLOURS)] = torch.outer(tent, tent)
    _clear(finish, decoder.conv_out)
    _carry_with_negatives(finish, COLOURS, _TRAINABLE)
    _undo_output(decoder.conv_norm_out, decoder.conv_out, COLOURS, _TRAINABLE)


def _shortcuts(network: nn.Module) -> list[nn.Conv2d]:
    return [module for name, module in network.named_modules() if name.endswith("conv_shortcut")]


def _silence_residuals(network: nn.Module) -> None:
    _clear(*(module for name, module in network.named_modules() if name.endswith(".conv2")))


def _clear(*layers: nn.Module) -> None:
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)


def _bias(layer: nn.Conv2d) -> Tensor:
    if layer.bias is None:
        raise ValueError("the layer has no bias")
    return layer.bias


def _pass_on(layer: nn.Conv2d, channels: int) -> None:
    """Make the first channels of the layer copy its input's."""
    middle = layer.kernel_size[0] // 2
    layer.weight[:channels] = 0.0
    layer.weight[range(channels), range(channels), middle, middle] = 1.0
    _bias(layer)[:channels] = 0.0


def _carry_with_negatives(layer: nn.Conv2d, values: int, constant: float) -> None:
    """Make a cleared layer carry its input's first channels and their negatives; the rest become constants."""
    layer.weight[range(values), range(values), 0, 0] = 1.0
    layer.weight[range(values, 2 * values), range(values), 0, 0] = -1.0
    _bias(layer)[2 * values :: 2] = constant
    _bias(layer)[2 * values + 1 :: 2] = -constant


def _undo_output(norm: nn.GroupNorm, output: nn.Conv2d, values: int, constant: float) -> None:
    """Make a cleared output layer return what was carried before the norm and the activation."""
    share = (norm.num_channels - 2 * values) / norm.num_channels
    gain = constant * sqrt(share)
    output.weight[range(values), range(values), 1, 1] = gain
    output.weight[range(values), range(values, 2 * values), 1, 1] = -gain
