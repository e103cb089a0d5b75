"""Trains the denoiser by rectified flow on exact latents, watching itself on held-out prompts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from app.builtin.demand import KINDS
from app.builtin.render import ASPECTS
from app.builtin.training.architecture import Size, build_transformer, hidden_matrices
from app.builtin.training.checkpoint import Checkpoint
from app.builtin.training.ema import Average
from app.builtin.training.flow import euler_sample, flow_loss
from app.builtin.training.latents import denormalise, half_size_images, unpack
from app.builtin.training.optimiser import Optimiser, learning_rate_factor
from app.builtin.training.probe import Finding, inspect, shares
from app.builtin.training.scenes import SceneBatch, SceneSource
from app.builtin.training.stage import Progress, StageContext, Stopwatch
from app.builtin.training.text import TextModel

REPORT_EVERY: Final = 50
PROBE_SIZE: Final = 16


@dataclass(frozen=True)
class FlowSettings:
    """The recipe of a denoiser's training."""

    size: Size = Size()
    batch: int = 48
    muon_lr: float = 0.02
    adam_lr: float = 2e-3
    average_decay: float = 0.998
    probe_every_s: float = 300.0
    probe_steps: int = 4


def load_text(folder: Path) -> TextModel:
    """The frozen text encoders a finished text stage left in its folder."""
    model = TextModel()
    model.load_state_dict(torch.load(folder / "text.pt", weights_only=True)["model"])
    return model.requires_grad_(False).eval()


class FlowStage:
    """Trains a denoiser; the folder's checkpoint then holds its weights and their average."""

    name = "flow"

    def __init__(self, text_folder: Path, settings: FlowSettings = FlowSettings()) -> None:
        self._text_folder = text_folder
        self._settings = settings

    def run(self, context: StageContext) -> None:
        """Train to the end of the budget, resuming from the folder's checkpoint."""
        settings = self._settings
        torch.manual_seed(context.seed)
        model = build_transformer(settings.size)
        average = Average(model, decay=settings.average_decay)
        optimiser = Optimiser(model, hidden_matrices(model), muon_lr=settings.muon_lr, adam_lr=settings.adam_lr)
        parts = {"model": model, "average": average, "optimiser": optimiser}
        checkpoint = Checkpoint(context.folder / "flow.pt", parts)
        step, spent_s = checkpoint.load()
        source = SceneSource(load_text(self._text_folder))
        watch, probed_at_s, losses = Stopwatch(spent_s), spent_s, []
        while (share := context.budget.share(step, watch.spent_s)) < 1:
            batch, generator = training_batch(source, context.seed, step, settings.batch)
            loss = flow_loss(model, batch.data, batch.conditioning, batch.grid, generator)
            loss.backward()
            optimiser.step(learning_rate_factor(share, step))
            average.update(model, step)
            step += 1
            losses.append(loss.item())
            if step % REPORT_EVERY == 0:
                context.report(Progress(self.name, step, share, {"loss": float(np.mean(losses))}))
                losses = []
            if watch.spent_s - probed_at_s >= settings.probe_every_s:
                probed_at_s = watch.spent_s
                metrics = probe(average.model, source, context.seed, steps=settings.probe_steps)
                context.report(Progress(self.name, step, share, metrics))
            checkpoint.save_if_due(step, watch.spent_s, context.checkpoint_every_s)
        checkpoint.save(step, watch.spent_s)


def training_batch(source: SceneSource, seed: int, step: int, size: int) -> tuple[SceneBatch, torch.Generator]:
    """The scenes of one step and the generator of its noise; both depend on nothing but seed and step."""
    rng = np.random.default_rng((seed, step))
    generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
    return source.training_batch(rng, size), generator


def probe(model: FluxTransformer2DModel, source: SceneSource, seed: int, *, steps: int) -> dict[str, float]:
    """The shares of held-out prompts drawn right, in all, per part and per kind."""
    findings = [(kind, finding) for kind, found in _probe_by_kind(model, source, seed, steps) for finding in found]
    by_kind = {kind: [finding for name, finding in findings if name == kind] for kind in KINDS}
    kinds = {kind: shares(found)["right"] for kind, found in by_kind.items()}
    return shares([finding for _, finding in findings]) | kinds


def _probe_by_kind(
    model: FluxTransformer2DModel, source: SceneSource, seed: int, steps: int
) -> Iterator[tuple[str, list[Finding]]]:
    rng = np.random.default_rng((seed, 1))
    for number, kind in enumerate(KINDS):
        for extra in range(2):
            shape = ASPECTS[(number + extra) % len(ASPECTS)] if extra else ASPECTS[0]
            batch = source.batch(rng, PROBE_SIZE, shape, held_out=True, kind=kind)
            images = sample_half_size(model, batch, torch.Generator().manual_seed(number), steps=steps)
            yield kind, [inspect(demand, image) for demand, image in zip(batch.demands, images, strict=True)]


def sample_half_size(
    model: FluxTransformer2DModel, batch: SceneBatch, generator: torch.Generator, *, steps: int
) -> Tensor:
    """Half-size images the model draws for a batch's prompts."""
    noise = torch.randn(batch.data.shape, generator=generator)
    tokens = euler_sample(model, noise, batch.conditioning, batch.grid, steps=steps)
    return half_size_images(denormalise(unpack(tokens, batch.grid.height, batch.grid.width)))
