"""Endless training pairs: prompts as the frozen text encoders see them, and the latents of drawn scenes."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from app.builtin.demand import Demand, Kind
from app.builtin.grammar import sample_prompt
from app.builtin.render import ASPECTS, place
from app.builtin.training.flow import Conditioning, Grid
from app.builtin.training.latents import images_of, normalise, pack, pinned_latents
from app.builtin.training.manifest import PROMPT_SUFFIXES, VAE_SCALE
from app.builtin.training.text_model import TextModel, Tokenisers

ASPECT_SHARES: Final = (0.4, 0.15, 0.15, 0.15, 0.15)


@dataclass(frozen=True)
class SceneBatch:
    """Drawn scenes of one canvas size: prompts, what they demand, packed latents and the prompts' conditioning."""

    prompts: list[str]
    demands: list[Demand]
    data: Tensor
    conditioning: Conditioning
    grid: Grid


def grid_of(shape: tuple[int, int]) -> Grid:
    """The latent size of a canvas given as width and height in pixels."""
    return Grid(height=shape[1] // VAE_SCALE, width=shape[0] // VAE_SCALE)


class SceneSource:
    """Draws batches of scenes with the conditioning of their prompts."""

    def __init__(self, text: TextModel, device: str = "cpu") -> None:
        self._text = text.eval().to(device)
        self._device = device
        self._tokenisers = Tokenisers()

    def training_batch(self, rng: np.random.Generator, size: int) -> SceneBatch:
        """Scenes on one random canvas, of prompts outside the hold-out."""
        shape = ASPECTS[int(rng.choice(len(ASPECTS), p=ASPECT_SHARES))]
        return self.batch(rng, size, shape, held_out=False)

    def batch(
        self, rng: np.random.Generator, size: int, shape: tuple[int, int], *, held_out: bool, kind: Kind | None = None
    ) -> SceneBatch:
        """Scenes on a canvas of this width and height in pixels."""
        pairs = [sample_prompt(rng, held_out=held_out, kind=kind) for _ in range(size)]
        demands, prompts = [demand for demand, _ in pairs], [prompt for _, prompt in pairs]
        images = images_of([place(demand, rng, *shape) for demand in demands])
        data = pack(normalise(pinned_latents(images))).to(self._device)
        return SceneBatch(prompts, demands, data, self.conditioning(prompts, shape), grid_of(shape))

    @torch.no_grad()
    def conditioning(self, prompts: list[str], shape: tuple[int, int]) -> Conditioning:
        """What the text encoders say of prompts for this canvas."""
        t5_ids, clip_ids = self._tokenisers.ids([prompt + PROMPT_SUFFIXES[shape] for prompt in prompts])
        return Conditioning(
            tokens=self._text.t5(torch.from_numpy(t5_ids).to(self._device)).last_hidden_state,
            pooled=self._text.clip(torch.from_numpy(clip_ids).to(self._device)).pooler_output,
        )
