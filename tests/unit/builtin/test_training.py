"""The training as a whole: resumable, reproducible, and ending in folders the pipeline loads."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline

from app.builtin.grammar import is_held_out, sample_demand
from app.builtin.render import ASPECTS, place
from app.builtin.training.architecture import Size, build_transformer
from app.builtin.training.checkpoint import Checkpoint
from app.builtin.training.denoiser import CHECKPOINT_FILE, FlowStage, Recipe, load_denoiser, training_batch
from app.builtin.training.distillation import Distillation, DistillationStage
from app.builtin.training.export import TrainedModel, export
from app.builtin.training.inspection import inspect, shares
from app.builtin.training.latents import half_size_images, images_of, pinned_latents
from app.builtin.training.loop import Loop
from app.builtin.training.scenes import SceneSource
from app.builtin.training.stage import Budget, Progress, StageContext, Stopwatch
from app.builtin.training.text_model import TextModel, save_text_model
from app.builtin.training.train import TrainingSettings, train
from app.builtin.training.vae import build_vae
from app.inference.manifest import read_manifest

TINY = Recipe(size=Size(double_blocks=1, single_blocks=1), batch=2, probe_size=1)


@dataclass(frozen=True)
class InterruptedBudget(Budget):
    """A budget whose training is interrupted before a given step."""

    interrupted_before: int = 0

    def share(self, step: int, spent_s: float) -> float:
        """The share of the budget, until the interruption."""
        if step == self.interrupted_before:
            raise KeyboardInterrupt
        return super().share(step, spent_s)


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with untrained text encoders."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("text")
    save_text_model(TextModel(), folder)
    return folder


def context(folder: Path, budget: Budget) -> StageContext:
    """A stage's context that saves after every step."""
    return StageContext(folder, seed=5, budget=budget, checkpoint_every_s=0.0)


def test_an_interrupted_training_ends_like_an_uninterrupted_one(text_folder: Path, tmp_path: Path) -> None:
    """Interrupted and resumed, the flow stage leaves the very same bits in weights, average and optimiser."""
    stage = FlowStage(text_folder, TINY)
    stage.run(context(tmp_path / "straight", Budget(steps=4)))
    with pytest.raises(KeyboardInterrupt):
        stage.run(context(tmp_path / "resumed", InterruptedBudget(steps=4, interrupted_before=2)))
    stage.run(context(tmp_path / "resumed", Budget(steps=4)))

    straight, resumed = (torch.load(tmp_path / name / CHECKPOINT_FILE) for name in ("straight", "resumed"))

    assert straight["step"] == resumed["step"] == 4
    for part in ("model", "average"):
        assert all(torch.equal(value, resumed[part][name]) for name, value in straight[part].items())
    torch.testing.assert_close(straight["optimiser"], resumed["optimiser"], atol=0, rtol=0)


def test_a_student_trains_from_its_teachers_checkpoint(text_folder: Path, tmp_path: Path) -> None:
    """The distillation stage turns a teacher's folder into a student's."""
    FlowStage(text_folder, TINY).run(context(tmp_path / "flow", Budget(steps=1)))
    distillation = Distillation(tmp_path / "flow", teacher_size=TINY.size, recipe=TINY)
    DistillationStage(text_folder, distillation).run(context(tmp_path / "distil", Budget(steps=1)))

    student = load_denoiser(tmp_path / "distil", TINY.size)

    assert not student.training
    assert not any(parameter.requires_grad for parameter in student.parameters())


def test_training_never_sees_the_hold_out() -> None:
    """No prompt of a training batch belongs to the hold-out."""
    source = SceneSource(TextModel())
    prompts = [prompt for step in range(20) for prompt in training_batch(source, 1, step, 8)[0].prompts]

    assert len(prompts) == 160
    assert not any(map(is_held_out, prompts))


def test_batches_depend_on_seed_and_step_alone() -> None:
    """The same step draws the same scenes and the same noise, however the training got there."""
    source = SceneSource(TextModel())
    (first, noise), (second, same) = (training_batch(source, 1, 7, 3) for _ in range(2))

    assert first.demands == second.demands
    assert torch.equal(first.data, second.data)
    assert torch.equal(torch.randn(3, generator=noise), torch.randn(3, generator=same))


def test_an_exported_model_is_a_flux_pipeline(tmp_path: Path) -> None:
    """The plain pipeline loads the folder and draws at every native size the manifest names."""
    model = TrainedModel(TextModel(), build_transformer(TINY.size), build_vae(), default_steps=4)
    export(model, tmp_path / "model")
    pipeline = FluxPipeline.from_pretrained(tmp_path / "model", dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    manifest = read_manifest(tmp_path / "model")

    for width, height in manifest.native_sizes:
        prompt = manifest.prompt_for("a cat", width, height)
        picture = pipeline(
            prompt, width=width, height=height, num_inference_steps=1, max_sequence_length=manifest.max_sequence_length
        ).images[0]
        assert picture.size == (width, height)


def test_an_export_replaces_the_folder_and_forgets_its_origin(tmp_path: Path) -> None:
    """Exporting again leaves nothing of the old folder, and no configuration names a path."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "stale").touch()
    vae = build_vae()
    vae.register_to_config(_name_or_path="/somewhere/else")
    export(TrainedModel(TextModel(), build_transformer(TINY.size), vae, default_steps=2), folder)

    assert not (folder / "stale").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert all("_name_or_path" not in json.loads(path.read_text()) for path in folder.glob("*/config.json"))


def test_the_whole_training_leaves_every_model(tmp_path: Path) -> None:
    """One step of every stage yields both denoisers and the upscaler; a second run only writes them again."""
    settings = TrainingSettings(tmp_path / "work", tmp_path / "weights", steps=1, flow=TINY, fast=TINY)
    stages: list[str] = []
    for _ in range(2):
        train(settings, lambda progress: stages.append(progress.stage))

    assert {path.name for path in settings.weights.iterdir()} == {"sketch", "sketch-fast", "upscaler"}
    assert read_manifest(settings.weights / "sketch").default_steps == 4
    assert {"text", "flow", "distil"} <= set(stages)


def test_a_loop_reports_probes_and_saves(tmp_path: Path) -> None:
    """Losses are reported averaged, the last report is a probe, and the checkpoint knows the last step."""
    seen: list[Progress] = []
    loop = Loop("demo", lambda step, share: float(step), lambda: {"right": 0.5})
    checkpoint = Checkpoint(tmp_path / "demo.pt", {})

    loop.run(StageContext(tmp_path, 1, Budget(steps=100), seen.append), checkpoint)

    assert [report.metrics for report in seen] == [{"loss": 24.5}, {"loss": 74.5}, {"right": 0.5}]
    assert checkpoint.load()[0] == 100


def test_a_stopwatch_goes_on_where_it_stood() -> None:
    """Seconds spent before an interruption count, the pause does not."""
    now = iter([100.0, 103.0])
    watch = Stopwatch(spent_s=50.0, clock=lambda: next(now))

    assert watch.spent_s == 53.0


def test_a_budget_counts_minutes_or_steps() -> None:
    """The share is that of the steps when their number is given, else that of the minutes."""
    assert Budget(minutes=2).share(step=1, spent_s=30) == 0.25
    assert Budget(minutes=2, steps=10).share(step=5, spent_s=0) == 0.5
    assert Budget(minutes=1).share(step=0, spent_s=90) == 1.0


@pytest.mark.parametrize("shape", ASPECTS)
def test_the_probe_accepts_drawn_scenes(shape: tuple[int, int]) -> None:
    """The stand-in for the judge finds nearly all truly drawn scenes right, and none when shown another's."""
    rng = np.random.default_rng(0)
    demands = [sample_demand(rng) for _ in range(40)]
    images = half_size_images(pinned_latents(images_of([place(demand, rng, *shape) for demand in demands])))

    own = shares([inspect(demand, image) for demand, image in zip(demands, images, strict=True)])
    other = shares([inspect(demand, image) for demand, image in zip(demands, images.roll(1, 0), strict=True)])

    assert own["right"] > 0.9
    assert other["right"] < 0.1
