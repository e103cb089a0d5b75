"""The whole training, from nothing to the model folders that are shipped."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL

from app.builtin.training.denoiser import FlowStage, Recipe, load_denoiser
from app.builtin.training.distillation import Distillation, DistillationStage, fast_recipe
from app.builtin.training.export import TrainedModel, export
from app.builtin.training.stage import Budget, Progress, Stage, StageContext
from app.builtin.training.text import TextStage
from app.builtin.training.text_model import load_text_model
from app.builtin.training.upscaler import UpscalerStage
from app.builtin.training.vae import EXPORT_FOLDER, VaeStage

SHARES: Final[Mapping[str, float]] = {"text": 0.07, "vae": 0.13, "flow": 0.60, "distil": 0.13, "upscaler": 0.07}


@dataclass(frozen=True)
class TrainingSettings:
    """Where to work, where to put the models, and how long to train.

    `minutes` is wall-clock time for all stages together; `steps`, when given, is the number of steps
    of every stage instead and makes the result depend on nothing but the seed. The two denoisers,
    which take most of the time, train on `device`; the small rest always trains on the CPU.
    """

    folder: Path
    weights: Path
    seed: int = 1
    minutes: float = 90.0
    steps: int | None = None
    threads: int | None = None
    device: str = "cpu"
    flow: Recipe = field(default_factory=Recipe)
    fast: Recipe = field(default_factory=fast_recipe)


def train(settings: TrainingSettings, report: Callable[[Progress], None] = lambda progress: None) -> None:
    """Run every stage that is not finished yet, and write the model folders as soon as their parts exist."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    for stage in _stages(settings):
        stage.run(_context(settings, stage.name, report))
        if stage.name == "flow":
            _export(settings, "sketch", stage.name, settings.flow)
        if stage.name == "distil":
            _export(settings, "sketch-fast", stage.name, settings.fast)
    upscaler = settings.folder / "upscaler" / EXPORT_FOLDER
    shutil.copytree(upscaler, settings.weights / "upscaler", dirs_exist_ok=True)


def _stages(settings: TrainingSettings) -> tuple[Stage, ...]:
    text, flow = settings.folder / "text", settings.folder / "flow"
    distillation = Distillation(teacher_folder=flow, teacher_size=settings.flow.size, recipe=settings.fast)
    return (
        TextStage(),
        VaeStage(),
        FlowStage(text, settings.flow),
        DistillationStage(text, distillation),
        UpscalerStage(settings.folder / "vae" / EXPORT_FOLDER),
    )


def _context(settings: TrainingSettings, name: str, report: Callable[[Progress], None]) -> StageContext:
    budget = Budget(minutes=settings.minutes * SHARES[name], steps=settings.steps)
    return StageContext(settings.folder / name, settings.seed, budget, report, device=settings.device)


def _export(settings: TrainingSettings, name: str, stage: str, recipe: Recipe) -> None:
    vae = AutoencoderKL.from_pretrained(settings.folder / "vae" / EXPORT_FOLDER, dtype=torch.float32)
    transformer = load_denoiser(settings.folder / stage, recipe.size)
    text = load_text_model(settings.folder / "text")
    export(TrainedModel(text, transformer, vae, recipe.sampling_steps), settings.weights / name)
