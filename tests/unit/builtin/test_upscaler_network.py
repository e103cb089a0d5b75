"""The upscaler network adds a learnt correction to bicubic enlargement."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fidelity import psnr, ssim
from PIL import Image
from torch.nn import functional

from app import builtin
from app.builtin.demand import Thing
from app.builtin.grammar import sample_prompt
from app.builtin.render import ASPECTS, Pixels, PlacedThing, Scene, place, render
from app.builtin.training.stage import Budget, StageContext
from app.builtin.training.upscaler import EXPORT_FOLDER, WINDOW, UpscalerStage, pyramid, window_of
from app.builtin.training.vae import build_vae
from app.builtin.upscaler import WEIGHTS_FILE, UpscalerNetwork, load_upscaler, save_upscaler


def random_network() -> UpscalerNetwork:
    """A network whose every weight is random."""
    torch.manual_seed(0)
    network = UpscalerNetwork(channels=8, blocks=1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval().requires_grad_(False)


def picture(height: int, width: int) -> torch.Tensor:
    """A picture of random pixels."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def enlarged(network: UpscalerNetwork, pixels: Pixels, factor: int) -> Pixels:
    """The picture after as many passes as it takes."""
    drawn = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    for _ in range(factor.bit_length() - 1):
        drawn = network(drawn).clamp(0, 1)
    return (drawn[0] * 255).round().byte().permute(1, 2, 0).numpy()


def test_an_untrained_network_is_bicubic() -> None:
    """Without training the correction is zero."""
    small = picture(10, 14)

    expected = functional.interpolate(small, scale_factor=2, mode="bicubic")
    assert torch.equal(UpscalerNetwork()(small), expected)


def test_a_saved_network_draws_the_same(tmp_path: Path) -> None:
    """Saving and loading keeps architecture and weights to the bit."""
    network = random_network()
    save_upscaler(network, tmp_path)

    assert torch.equal(load_upscaler(tmp_path)(picture(12, 9)), network(picture(12, 9)))


def test_the_default_network_is_small(tmp_path: Path) -> None:
    """The shipped architecture fits into 150 kB."""
    save_upscaler(UpscalerNetwork(), tmp_path)

    assert (tmp_path / WEIGHTS_FILE).stat().st_size < 150_000


def test_a_pixel_is_felt_only_nearby() -> None:
    """No output pixel depends on inputs beyond the reach of the convolutions, so that pictures may be tiled."""
    network = random_network()
    touched = picture(32, 32)
    touched[..., 16, 16] += 1

    changed = (network(touched) != network(picture(32, 32))).any(1)[0].nonzero()

    reach = 4
    assert changed.min() >= 2 * (16 - reach)
    assert changed.max() <= 2 * (16 + reach) + 1


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_training_pictures_agree_over_their_sizes(scale: int) -> None:
    """The three pictures of a pyramid are the same one, each twice the size of the last."""
    rng = np.random.default_rng(2)
    for _ in range(20):
        small, middle, large = pyramid(rng, scale)

        assert [each.shape[-1] for each in (small, middle, large)] == [WINDOW, 2 * WINDOW, 4 * WINDOW]
        assert (functional.avg_pool2d(middle, 2) - small).abs().mean() < 0.02
        assert (functional.avg_pool2d(large, 2) - middle).abs().mean() < 0.02


def test_a_window_moves_objects_alike() -> None:
    """A window keeps what lies between two objects, and their sizes."""
    objects = (PlacedThing(Thing("red", "circle"), 20, 30, 8), PlacedThing(Thing("blue", "cross"), 45, 12, 6))

    seen = window_of(Scene(64, 64, "teal", objects), np.random.default_rng(3), 16)

    assert (seen.width, seen.height, seen.background) == (16, 16, "teal")
    assert seen.objects[1].x - seen.objects[0].x == pytest.approx(25)
    assert seen.objects[1].y - seen.objects[0].y == pytest.approx(-18)
    assert [each.radius for each in seen.objects] == [8, 6]


def test_the_stage_learns_and_exports(tmp_path: Path) -> None:
    """A few steps leave a loadable network that is no longer bicubic."""
    build_vae().save_pretrained(tmp_path / "vae")

    UpscalerStage(tmp_path / "vae").run(StageContext(tmp_path, seed=4, budget=Budget(steps=3)))

    network = load_upscaler(tmp_path / EXPORT_FOLDER)
    assert not torch.equal(network(picture(8, 8)), UpscalerNetwork()(picture(8, 8)))


@pytest.mark.parametrize("factor", [2, 4])
def test_the_shipped_network_beats_bicubic(factor: int) -> None:
    """On scenes of held-out prompts the shipped weights are nearer to the truth by 4 dB, and in structure."""
    network = load_upscaler(Path(builtin.__file__).parent / "weights" / "upscaler")
    rng = np.random.default_rng(6)
    gains = []
    for shape in ASPECTS:
        scene = place(sample_prompt(rng, held_out=True)[0], rng, *shape)
        truth = render(scene, factor)
        plain = np.asarray(Image.fromarray(render(scene)).resize(truth.shape[1::-1], Image.Resampling.BICUBIC))
        learnt = enlarged(network, render(scene), factor)
        gains.append((psnr(learnt, truth) - psnr(plain, truth), ssim(learnt, truth) - ssim(plain, truth)))

    decibels, similarity = np.mean(gains, axis=0)
    assert decibels > 4
    assert similarity > 0.005
