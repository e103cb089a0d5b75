"""The autoencoder's encoder is exact by construction; its decoder starts near and learns."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from app.builtin.render import ASPECTS
from app.builtin.training.latents import pinned_latents
from app.builtin.training.pictures import varied_batch
from app.builtin.training.stage import Budget, StageContext
from app.builtin.training.vae import EXPORT_FOLDER, VaeStage, build_vae, perturbed


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    """An untrained autoencoder."""
    torch.manual_seed(0)
    return build_vae().eval().requires_grad_(False)


@pytest.mark.parametrize("shape", ASPECTS)
def test_the_encoder_returns_the_pinned_latents(vae: AutoencoderKL, shape: tuple[int, int]) -> None:
    """Without any training the encoder's mean is the pinned latent of scenes and of textures."""
    pictures = varied_batch(np.random.default_rng(0), 6, shape)

    encoded = vae.encode(pictures).latent_dist

    assert encoded.mean.shape == (6, 12, shape[1] // 4, shape[0] // 4)
    torch.testing.assert_close(encoded.mean, pinned_latents(pictures), atol=1e-3, rtol=0)
    assert (encoded.logvar == -12).all()


def test_the_encoder_survives_rounding_to_bfloat16(vae: AutoencoderKL) -> None:
    """Weights stored in bfloat16 encode as exactly."""
    rounded = build_vae().bfloat16().float()
    pictures = varied_batch(np.random.default_rng(1), 4, (64, 64))

    torch.testing.assert_close(rounded.encode(pictures).latent_dist.mean, pinned_latents(pictures), atol=2e-3, rtol=0)


def test_the_untrained_decoder_enlarges(vae: AutoencoderKL) -> None:
    """Before training a decoding is already a soft version of the picture."""
    pictures = varied_batch(np.random.default_rng(2), 12, (64, 64))

    error = vae.decode(pinned_latents(pictures)).sample - pictures

    assert error.abs().mean() < 0.08


def test_perturbed_latents_are_seeded_and_near() -> None:
    """The same seed perturbs alike; each picture of a batch is perturbed in its own measure, none much."""
    latents = pinned_latents(varied_batch(np.random.default_rng(3), 8, (64, 48)))

    first, again = (perturbed(latents, np.random.default_rng(4)) for _ in range(2))

    measures = (first - latents).abs().mean((1, 2, 3))
    assert torch.equal(first, again)
    assert measures.max() > 2 * measures.min()
    assert measures.max() < 0.2


def test_the_stage_exports_a_loadable_autoencoder(tmp_path: Path) -> None:
    """The export is a diffusers folder in bfloat16 that knows its scaling, and its decoder has changed."""
    VaeStage().run(StageContext(tmp_path, seed=5, budget=Budget(steps=2)))

    loaded = AutoencoderKL.from_pretrained(tmp_path / EXPORT_FOLDER)
    stored = load_file(tmp_path / EXPORT_FOLDER / "diffusion_pytorch_model.safetensors")

    assert (loaded.config.scaling_factor, loaded.config.shift_factor) == (1.5, 0.25)
    assert {tensor.dtype for tensor in stored.values()} == {torch.bfloat16}
    assert loaded.decoder.mid_block.resnets[0].conv2.weight.abs().max() > 0
