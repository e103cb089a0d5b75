"""Jobs with LoRAs through the whole engine of a replica, built from the settings of its variant."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from diffusers import FluxPipeline
from fakes import MemoryBlobStore, make_job
from tiny_lora import write_lora

from app.config import VariantSettings
from app.errors import DarkroomError, InvalidInputError
from app.generation import Job, JobDrawn, JobFailed, Lora
from app.inference.building import build_engine
from app.inference.engine.front import StepEngine
from app.storage import keys

SIZE = {"width": 32, "height": 24, "native_width": 32, "native_height": 24}


@pytest.fixture
async def engine(flux_folder: Path, tmp_path: Path) -> AsyncIterator[StepEngine]:
    """A warm engine that takes LoRAs."""
    (tmp_path / "loras").mkdir()
    settings = VariantSettings(
        source=str(flux_folder),
        device="cpu",
        native_sizes=((32, 24),),
        max_batch=2,
        lora_folder=str(tmp_path / "loras"),
    )
    engine = await build_engine(
        {"tiny": settings}, blobs=MemoryBlobStore(), keys=keys, replica="r1", costs_folder=tmp_path / "costs"
    )
    yield engine
    engine.close()


def job_of(name: str, *loras: Lora) -> Job:
    """A job with these LoRAs."""
    return make_job(name, variant="tiny", prompt="a red", steps=3, loras=loras, **SIZE)


async def outcomes(engine: StepEngine, *jobs: Job) -> dict[str, str | DarkroomError]:
    """The key of each picture, or why there is none."""
    ends: dict[str, str | DarkroomError] = {}
    async for event in engine.run(jobs):
        if isinstance(event, JobDrawn):
            ends[event.job_id] = event.blob_key
        if isinstance(event, JobFailed):
            ends[event.job_id] = event.error
    return ends


async def test_jobs_with_different_loras_share_a_replica(
    engine: StepEngine, flux: FluxPipeline, tmp_path: Path
) -> None:
    """Jobs that come together, some with LoRAs and some without, end in the files that they end in alone."""
    ink, oil = (write_lora(tmp_path / "loras", f"{seed}.safetensors", flux, seed=seed) for seed in (1, 2))
    jobs = [job_of("plain"), job_of("ink", ink), job_of("oil", oil), job_of("both", ink, oil), job_of("again", ink)]
    alone: dict[str, object] = {}
    for job in jobs:
        alone |= await outcomes(engine, job)

    assert len(set(alone.values())) == 4
    assert await outcomes(engine, *jobs) == alone


async def test_a_useless_lora_fails_its_own_job_alone(engine: StepEngine, flux: FluxPipeline, tmp_path: Path) -> None:
    """The caller is told which LoRA it was; the job beside it is drawn."""
    ink = write_lora(tmp_path / "loras", "ink.safetensors", flux)
    ends = await outcomes(engine, job_of("good", ink), job_of("bad", ink, Lora(path="absent.safetensors")))

    assert isinstance(ends["good"], str)
    assert isinstance(ends["bad"], InvalidInputError)
    assert ends["bad"].issues[0].loc == ("body", "loras", 1, "path")
