"""LoRAs over a compiled denoiser: other LoRAs are other numbers, never another program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline
from tiny_flux import SEQUENCE_LENGTH, tiny_flux
from tiny_lora import write_lora

from app.errors import InvalidInputError
from app.generation import Lora, PictureSpec, Task
from app.inference.loras import adapted
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.lora_files import LoraFolder

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red", width=32, height=24, native_width=32, native_height=24,
    steps=2, seed=5,
)  # fmt: skip
MANIFEST = Manifest(max_sequence_length=SEQUENCE_LENGTH)
MAX_RANK = 8


@dataclass
class Compiler:
    """Compiles nothing, but counts the programs that it is asked for."""

    programs: list[torch.fx.GraphModule] = field(default_factory=list)

    def __call__(self, program: torch.fx.GraphModule, inputs: Sequence[Any]) -> Callable[..., Any]:
        """The program, to be run as it is."""
        self.programs.append(program)
        return program.forward


@pytest.fixture
def compiler() -> Compiler:
    """A compiler in a process that has compiled nothing."""
    torch._dynamo.reset()
    return Compiler()


@pytest.fixture
def folder(tmp_path: Path) -> LoraFolder:
    """An empty folder of LoRAs."""
    return LoraFolder(tmp_path, max_bytes=10**7)


@pytest.fixture
def pipeline(folder: LoraFolder, compiler: Compiler) -> StepPipeline:
    """An adapted pipeline whose denoiser is compiled, block by block, after it was adapted."""
    return compiled(folder, compiler, "compile_repeated_blocks")


def compiled(folder: LoraFolder, compiler: Compiler, method: str) -> StepPipeline:
    """An adapted pipeline whose denoiser is compiled by one of its methods."""
    parts = tiny_flux()
    pipeline = over(parts, folder, compiled_rank=MAX_RANK)
    getattr(parts.transformer, method)(backend=compiler, dynamic=False)
    return pipeline


def over(parts: FluxPipeline, folder: LoraFolder, compiled_rank: int | None = None) -> StepPipeline:
    """A pipeline with the LoRAs of a folder."""
    plain = FluxStepPipeline(parts, MANIFEST)
    return adapted(plain, parts, folder=folder, max_loaded=8, batch_invariant=False, compiled_rank=compiled_rank)


def draw(pipeline: StepPipeline, *loras: Lora) -> torch.Tensor:
    """The last latents of a picture with these LoRAs."""
    spec = replace(SPEC, loras=loras)
    state = pipeline.prepare(spec, pipeline.encode(spec), None)
    while state.steps_left:
        (state,) = pipeline.step([state])
    return state.latents


@pytest.mark.parametrize("method", ["compile_repeated_blocks", "compile"])
def test_other_loras_need_no_other_program(folder: LoraFolder, compiler: Compiler, method: str) -> None:
    """After the first picture nothing is compiled again: not for a LoRA, nor another, nor two, nor other scales."""
    pipeline = compiled(folder, compiler, method)
    ink = write_lora(folder.path, "ink.safetensors", tiny_flux(), seed=1, rank=4)
    everywhere = {"within": lambda path: "blocks" in path}
    oil = write_lora(folder.path, "oil.safetensors", tiny_flux(), seed=2, rank=3, **everywhere)
    plain, programs = draw(pipeline), len(compiler.programs)
    assert programs > 0

    pictures = [draw(pipeline, *loras) for loras in ((ink,), (oil,), (replace(oil, scale=0.5),), (oil, ink), ())]
    assert len(compiler.programs) == programs
    assert all(not torch.equal(picture, plain) for picture in pictures[:-1])
    assert torch.equal(pictures[-1], plain)


def test_compiled_loras_mean_the_same(pipeline: StepPipeline, folder: LoraFolder) -> None:
    """Side by side in one place, LoRAs add up to what they add one after the other, whatever acted before."""
    ink = write_lora(folder.path, "ink.safetensors", tiny_flux(), seed=1, rank=4)
    oil = write_lora(folder.path, "oil.safetensors", tiny_flux(), seed=2, rank=3, within=lambda path: "single" in path)
    plain = over(tiny_flux(), folder)
    for loras in ((), (ink, replace(oil, scale=0.5)), (oil,), (replace(ink, scale=0.0),), (ink,)):
        torch.testing.assert_close(draw(pipeline, *loras), draw(plain, *loras), atol=1e-5, rtol=0)
    assert torch.equal(draw(pipeline), draw(plain))


def test_no_program_is_borrowed(pipeline: StepPipeline, folder: LoraFolder, compiler: Compiler) -> None:
    """A model of the same kind that was compiled without LoRAs, in the same process, leaves their program alone."""
    other = tiny_flux()
    other.transformer.compile_repeated_blocks(backend=compiler, dynamic=False)
    plain = draw(FluxStepPipeline(other, MANIFEST))
    ink = write_lora(folder.path, "ink.safetensors", tiny_flux(), seed=1)
    assert torch.equal(draw(pipeline), plain)
    torch.testing.assert_close(draw(pipeline, ink), draw(over(tiny_flux(), folder), ink), atol=1e-5, rtol=0)
    assert torch.equal(draw(FluxStepPipeline(other, MANIFEST)), plain)


def test_ranks_are_bounded(pipeline: StepPipeline, folder: LoraFolder) -> None:
    """LoRAs that do not fit side by side are refused before any step, with the limit."""
    wide = write_lora(folder.path, "wide.safetensors", tiny_flux(), rank=MAX_RANK)
    draw(pipeline, wide)
    narrow = write_lora(folder.path, "narrow.safetensors", tiny_flux(), seed=1, rank=1)
    with pytest.raises(InvalidInputError, match="may add up to 8") as refused:
        draw(pipeline, wide, narrow)
    assert refused.value.issues[0].loc == ("body", "loras")
