"""Teaches a shallower denoiser to see in a noisy picture what its teacher sees, for sampling in few steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor, nn

from app.builtin.training.architecture import Size, build_transformer
from app.builtin.training.denoiser import Recipe, load_denoiser, train_denoiser, training_batch
from app.builtin.training.flow import add_noise, sample_times, velocity, weighted_error
from app.builtin.training.scenes import SceneBatch, SceneSource
from app.builtin.training.stage import StageContext
from app.builtin.training.text_model import load_text_model

STUDENT_STEPS: Final = 2
STUDENT_TIMES: Final = (0.5,)
FAST: Final = Size(double_blocks=1, single_blocks=2)


def fast_recipe() -> Recipe:
    """How `sketch-fast` is trained."""
    return Recipe(size=FAST, muon_lr=0.01, sampling_steps=STUDENT_STEPS)


@dataclass(frozen=True)
class Distillation:
    """Who teaches whom: the teacher's folder and size, and the student's recipe."""

    teacher_folder: Path
    teacher_size: Size = field(default_factory=Size)
    recipe: Recipe = field(default_factory=fast_recipe)


def shallow_copy(teacher: FluxTransformer2DModel, teacher_size: Size, size: Size) -> FluxTransformer2DModel:
    """A shallower denoiser that starts from the teacher's outer layers and evenly spaced blocks."""
    student = build_transformer(size)
    doubles = _spread(teacher_size.double_blocks, size.double_blocks)
    singles = _spread(teacher_size.single_blocks, size.single_blocks)
    _copy_blocks(teacher.transformer_blocks, student.transformer_blocks, doubles)
    _copy_blocks(teacher.single_transformer_blocks, student.single_transformer_blocks, singles)
    outer = {name: value for name, value in teacher.state_dict().items() if "transformer_blocks" not in name}
    student.load_state_dict(outer, strict=False)
    return student


def _spread(available: int, wanted: int) -> list[int]:
    if wanted == 1:
        return [0]
    return [round(index * (available - 1) / (wanted - 1)) for index in range(wanted)]


def _copy_blocks(source: nn.ModuleList, target: nn.ModuleList, chosen: Sequence[int]) -> None:
    for block, index in zip(target, chosen, strict=True):
        block.load_state_dict(source[index].state_dict())


def distillation_loss(
    student: FluxTransformer2DModel, teacher: FluxTransformer2DModel, batch: SceneBatch, generator: torch.Generator
) -> Tensor:
    """How far the student's velocity is from its teacher's, mostly at the times of the student's own steps.

    The teacher's velocity is the mean over all pictures a prompt allows, so it teaches more per
    sample than one picture's own velocity, which is that mean plus chance.
    """
    noisy = add_noise(batch.data, sample_times(len(batch.data), generator, visited=STUDENT_TIMES), generator)
    with torch.no_grad():
        wanted = velocity(teacher, noisy.mixed, noisy.times, batch.conditioning, batch.grid)
    predicted = velocity(student, noisy.mixed, noisy.times, batch.conditioning, batch.grid)
    return weighted_error(predicted, wanted, noisy.weights)


class DistillationStage:
    """Trains `sketch-fast`: fewer blocks and fewer steps, from its teacher's predictions."""

    name = "distil"

    def __init__(self, text_folder: Path, distillation: Distillation) -> None:
        self._text_folder = text_folder
        self._distillation = distillation

    def run(self, context: StageContext) -> None:
        """Train to the end of the budget, resuming from the folder's checkpoint."""
        torch.manual_seed(context.seed)
        source = SceneSource(load_text_model(self._text_folder), context.device)
        sizes, recipe = self._distillation.teacher_size, self._distillation.recipe
        teacher = load_denoiser(self._distillation.teacher_folder, sizes).to(context.device)

        def loss(student: FluxTransformer2DModel, step: int) -> Tensor:
            batch, generator = training_batch(source, context.seed, step, recipe.batch)
            return distillation_loss(student, teacher, batch, generator)

        quality = recipe.probe(source, context.seed)
        train_denoiser(self.name, shallow_copy(teacher, sizes, recipe.size), recipe, loss, quality, context)
