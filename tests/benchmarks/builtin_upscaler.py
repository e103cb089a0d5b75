"""Does the built-in upscaler beat bicubic enlargement?

    python tests/benchmarks/builtin_upscaler.py [--pictures FOLDER] [--weights FOLDER]

Scenes of held-out prompts are drawn at their native size and enlarged two and four times (two
passes); the truth is the same scene drawn at that size. So are the autoencoder's decodings of exact
and of noisy latents, where its weights are at hand. Textures and the pictures of a folder, if one is
given, are first reduced by area averaging. Printed: mean PSNR in dB and SSIM of both ways, and the
network's time.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import torch
from fidelity import Pixels, psnr, ssim
from PIL import Image
from rich.console import Console
from rich.table import Table

from app.builtin.grammar import sample_prompt
from app.builtin.render import ASPECTS, place, render
from app.builtin.training.pictures import texture
from app.builtin.upscaler import UpscalerNetwork, load_upscaler

WEIGHTS = Path("app/builtin/weights")
Pair = tuple[Pixels, Pixels]
Damage = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Way:
    """One way to enlarge pictures: its mean fidelity and seconds per picture."""

    psnr_db: float
    ssim: float
    seconds: float


def scenes(factor: int, damage: Damage = lambda pixels: pixels, count: int = 100) -> Iterator[Pair]:
    """Held-out scenes as drawn natively, and drawn `factor` times larger."""
    rng = np.random.default_rng(11)
    for index in range(count):
        demand, _ = sample_prompt(rng, held_out=True)
        scene = place(demand, rng, *ASPECTS[index % len(ASPECTS)])
        yield damage(render(scene)), render(scene, factor)


def textures(factor: int, count: int = 40) -> Iterator[Pair]:
    """Coloured noise, reduced and whole."""
    rng = np.random.default_rng(12)
    for _ in range(count):
        yield reduced(texture(rng, 128, 128), factor)


def pictures(folder: Path, factor: int) -> Iterator[Pair]:
    """Every colour picture of a folder, reduced and whole, cut so that the factor divides its sides."""
    for path in sorted(folder.iterdir()):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        height, width = (side - side % factor for side in pixels.shape[:2])
        yield reduced(pixels[:height, :width], factor)


def reduced(pixels: Pixels, factor: int) -> Pair:
    """A picture reduced by area averaging, and the picture itself."""
    return np.asarray(Image.fromarray(pixels).reduce(factor)), pixels


def bicubic(pixels: Pixels, factor: int) -> Pixels:
    """The picture enlarged by bicubic interpolation."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels).resize((width * factor, height * factor), Image.Resampling.BICUBIC)
    return np.asarray(image)


@torch.inference_mode()
def by_network(network: UpscalerNetwork, pixels: Pixels, factor: int) -> Pixels:
    """The picture enlarged by as many passes of the network as it takes, rounded to 8 bits after each."""
    while factor > 1:
        drawn = network(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255)[0]
        pixels = (drawn.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        factor //= 2
    return pixels


def measure(pairs: list[Pair], enlarge: Callable[[Pixels], Pixels]) -> Way:
    """The mean fidelity of a way of enlarging, and its time."""
    started = process_time()
    drawn = [enlarge(small) for small, _ in pairs]
    seconds = (process_time() - started) / len(pairs)
    compared = [(psnr(picture, large), ssim(picture, large)) for picture, (_, large) in zip(drawn, pairs, strict=True)]
    likeness = np.mean(compared, axis=0)
    return Way(float(likeness[0]), float(likeness[1]), seconds)


def decoded(folder: Path, noise: float) -> Damage:
    """What the autoencoder draws from a picture's exact latents with this much noise added."""
    from diffusers import AutoencoderKL

    from app.builtin.training.latents import pinned_latents

    vae = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32)
    generator = torch.Generator().manual_seed(13)

    @torch.inference_mode()
    def draw(pixels: Pixels) -> Pixels:
        latents = pinned_latents(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1)
        noisy = latents + noise * torch.randn(latents.shape, generator=generator)
        drawn = (vae.decode(noisy).sample[0].clamp(-1, 1) + 1) * 127.5
        return np.asarray(drawn.round().byte().permute(1, 2, 0).numpy())

    return draw


def collections(arguments: argparse.Namespace) -> Iterator[tuple[str, int, Iterator[Pair]]]:
    """Every row's name, factor and pairs of small and large pictures."""
    for factor in (2, 4):
        yield "scenes", factor, scenes(factor)
        if arguments.vae.is_dir():
            yield "scenes, decoded", factor, scenes(factor, decoded(arguments.vae, 0.0))
            yield "scenes, decoded from noisy latents", factor, scenes(factor, decoded(arguments.vae, 0.1))
        yield "textures", factor, textures(factor)
        if arguments.pictures:
            yield "pictures", factor, pictures(arguments.pictures, factor)


def main() -> None:
    """Print one row for each collection of pictures and factor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="a folder of pictures to enlarge as well")
    parser.add_argument("--weights", type=Path, default=WEIGHTS / "upscaler")
    parser.add_argument("--vae", type=Path, default=WEIGHTS / "sketch" / "vae")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network = load_upscaler(arguments.weights)
    table = Table("pictures", "factor", "bicubic dB", "network dB", "bicubic SSIM", "network SSIM", "network ms")
    for name, factor, pairs in collections(arguments):
        listed = list(pairs)
        plain = measure(listed, partial(bicubic, factor=factor))
        learnt = measure(listed, partial(by_network, network, factor=factor))
        table.add_row(
            name, str(factor), f"{plain.psnr_db:.2f}", f"{learnt.psnr_db:.2f}", f"{plain.ssim:.4f}",
            f"{learnt.ssim:.4f}", f"{1000 * learnt.seconds:.0f}",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
