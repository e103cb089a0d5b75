"""Trains the denoiser by rectified flow on exact latents, watching itself on held-out prompts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from app.builtin.training.architecture import Size, build_transformer, hidden_matrices
from app.builtin.training.checkpoint import Checkpoint
from app.builtin.training.ema import Average
from app.builtin.training.flow import flow_loss
from app.builtin.training.loop import Loop
from app.builtin.training.optimiser import Optimiser, learning_rate_factor
from app.builtin.training.probe import Probe
from app.builtin.training.scenes import SceneBatch, SceneSource
from app.builtin.training.stage import StageContext
from app.builtin.training.text_model import load_text_model

CHECKPOINT_FILE: Final = "flow.pt"

Loss = Callable[[FluxTransformer2DModel, int], Tensor]
Quality = Callable[[FluxTransformer2DModel], dict[str, float]]


@dataclass(frozen=True)
class Recipe:
    """How a denoiser is trained; the learning rates fall linearly after the share `decay_from` of the budget."""

    size: Size = field(default_factory=Size)
    batch: int = 32
    muon_lr: float = 0.02
    adam_lr: float = 2e-3
    average_decay: float = 0.998
    decay_from: float = 0.6
    sampling_steps: int = 4
    probe_size: int = 16

    def probe(self, source: SceneSource, seed: int) -> Probe:
        """How training measures its denoiser on held-out prompts."""
        return Probe(source, seed, self.sampling_steps, self.probe_size)


def train_denoiser(
    name: str, model: FluxTransformer2DModel, recipe: Recipe, loss: Loss, quality: Quality, context: StageContext
) -> None:
    """Minimise `loss(model, step)`; the folder's checkpoint then holds the weights and their average."""
    model.to(context.device)
    average = Average(model, decay=recipe.average_decay)
    optimiser = Optimiser(model, hidden_matrices(model), muon_lr=recipe.muon_lr, adam_lr=recipe.adam_lr)
    parts = {"model": model, "average": average, "optimiser": optimiser}

    def advance(step: int, share: float) -> float:
        value = loss(model, step)
        torch.autograd.backward(value)
        optimiser.step(learning_rate_factor(share, step, decay_from=recipe.decay_from))
        average.update(model, step)
        return value.item()

    Loop(name, advance, lambda: quality(average.model)).run(
        context, Checkpoint(context.folder / CHECKPOINT_FILE, parts)
    )


def load_denoiser(folder: Path, size: Size) -> FluxTransformer2DModel:
    """The averaged denoiser that a stage, finished or not, left in its folder."""
    model = build_transformer(size)
    model.load_state_dict(torch.load(folder / CHECKPOINT_FILE, map_location="cpu", weights_only=True)["average"])
    return model.requires_grad_(requires_grad=False).eval()


def training_batch(source: SceneSource, seed: int, step: int, size: int) -> tuple[SceneBatch, torch.Generator]:
    """The scenes of one step and the generator of its noise; both depend on nothing but seed and step."""
    rng = np.random.default_rng((seed, step))
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    return source.training_batch(rng, size), generator


class FlowStage:
    """Trains `sketch`: the denoiser that learns from drawn scenes."""

    name = "flow"

    def __init__(self, text_folder: Path, recipe: Recipe | None = None) -> None:
        self._text_folder = text_folder
        self._recipe = recipe or Recipe()

    def run(self, context: StageContext) -> None:
        """Train to the end of the budget, resuming from the folder's checkpoint."""
        torch.manual_seed(context.seed)
        source = SceneSource(load_text_model(self._text_folder), context.device)

        def loss(model: FluxTransformer2DModel, step: int) -> Tensor:
            batch, generator = training_batch(source, context.seed, step, self._recipe.batch)
            return flow_loss(model, batch.data, batch.conditioning, batch.grid, generator)

        quality = self._recipe.probe(source, context.seed)
        train_denoiser(self.name, build_transformer(self._recipe.size), self._recipe, loss, quality, context)
