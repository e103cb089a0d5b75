"""Builds the autoencoder and trains its decoder to draw sharp pictures from imperfect latents."""

from typing import Final

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from app.builtin.render import ASPECTS
from app.builtin.training.architecture import LATENT_CHANNELS, LATENT_SCALE, LATENT_SHIFT
from app.builtin.training.latents import half_size_images, pinned_latents
from app.builtin.training.linear_start import start_decoder, write_encoder
from app.builtin.training.pictures import varied_batch
from app.builtin.training.regression import Regression, picture_loss, train
from app.builtin.training.stage import StageContext

EXPORT_FOLDER: Final = "export"
BATCH: Final = 8
_CHANNELS: Final = (16, 32, 48)
_LOG_VARIANCE: Final = -12.0


def build_vae() -> AutoencoderKL:
    """An untrained autoencoder, 4 times smaller in its latents, that practically does not sample."""
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=_CHANNELS, layers_per_block=1, norm_num_groups=1, latent_channels=LATENT_CHANNELS,
        sample_size=64, scaling_factor=LATENT_SCALE, shift_factor=LATENT_SHIFT, force_upcast=False,
        use_quant_conv=False, use_post_quant_conv=False, mid_block_add_attention=False,
    )  # fmt: skip
    write_encoder(model.encoder, log_variance=_LOG_VARIANCE)
    start_decoder(model.decoder)
    return model.to(memory_format=torch.channels_last)


def perturbed(latents: Tensor, rng: np.random.Generator) -> Tensor:
    """Latents with the faults of a few-step sample: noise, blur and a drift of colours, each in random measure."""
    amounts = torch.from_numpy(rng.random((3, len(latents), 1, 1, 1)).astype(np.float32)) ** 2
    noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32))
    images = half_size_images(latents)
    blurred = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    coarse = torch.from_numpy(rng.standard_normal((len(latents), 3, 4, 4), dtype=np.float32))
    drift = functional.interpolate(coarse, images.shape[-2:], mode="bicubic")
    faulty = images + 0.6 * amounts[0] * (blurred - images) + 0.1 * amounts[1] * drift
    return functional.pixel_unshuffle(faulty, 2) + 0.15 * amounts[2] * noise


def _pictures(rng: np.random.Generator) -> Tensor:
    return varied_batch(rng, BATCH, ASPECTS[int(rng.integers(len(ASPECTS)))])


def decoder_loss(model: AutoencoderKL, rng: np.random.Generator) -> Tensor:
    """How far decodings of perturbed latents are from random pictures."""
    pictures = _pictures(rng)
    return picture_loss(model.decoder(perturbed(pinned_latents(pictures), rng)), pictures)


class VaeStage:
    """Trains the decoder; the folder's `export` then holds the autoencoder in diffusers' form."""

    name = "vae"

    def run(self, context: StageContext) -> None:
        """Train to the end of the budget, resuming from the folder's checkpoint."""
        torch.manual_seed(context.seed)
        model = build_vae()
        train(Regression("decoder", model.decoder, lambda rng: decoder_loss(model, rng)), context)
        export(model, context)


def export(model: AutoencoderKL, context: StageContext) -> None:
    """Save the autoencoder in bfloat16 to the stage's export folder."""
    model.bfloat16().save_pretrained(context.folder / EXPORT_FOLDER)
