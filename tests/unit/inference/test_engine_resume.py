"""Pictures that begin on kept latents, through the whole engine."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import MemoryBlobStore, make_job

from app.config import VariantSettings
from app.generation import Job, JobDrawn
from app.inference.building import build_engine
from app.inference.engine.front import StepEngine
from app.latents import LatentsPlan, StartingPoint
from app.storage import keys

SIZE = {"width": 32, "height": 32, "native_width": 32, "native_height": 32}
STEPS = 4
KEPT = LatentsPlan(kept_steps=(1, 2, 3))


class Engine:
    """A warm engine over the tiny model, and its files."""

    def __init__(self, engine: StepEngine, blobs: MemoryBlobStore) -> None:
        self.blobs = blobs
        self._engine = engine

    async def draw(self, *jobs: Job) -> dict[str, JobDrawn]:
        """What was drawn, by job."""
        return {event.job_id: event async for event in self._engine.run(jobs) if isinstance(event, JobDrawn)}


@pytest.fixture
async def engine(flux_folder: Path, tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine for one test."""
    blobs = MemoryBlobStore()
    variant = VariantSettings(source=str(flux_folder), device="cpu", native_sizes=((32, 32), (32, 24)), max_batch=4)
    built = await build_engine({"sketch": variant}, blobs=blobs, keys=keys, replica="r1", costs_folder=tmp_path)
    yield Engine(built, blobs)
    built.close()


def job(job_id: str, seed: int = 7, plan: LatentsPlan = KEPT, prompt: str = "a red circle") -> Job:
    """A job for a picture, which keeps its latents unless another plan is given."""
    made = make_job(job_id, seed=seed, prompt=prompt, variant="sketch", steps=STEPS, **SIZE)
    return replace(made, latents=plan)


def start_of(drawn: JobDrawn, step: int) -> LatentsPlan:
    """Begin where that picture was after so many steps."""
    (key,) = [kept.blob_key for kept in drawn.latents if kept.step == step]
    return LatentsPlan(start=StartingPoint(blob_key=key, step=step))


async def test_ones_own_latents_lead_to_the_same_file_in_any_company(engine: Engine) -> None:
    """After each step, alone and beside pictures from noise; the receipt counts what was skipped."""
    whole = (await engine.draw(job("whole")))["whole"]
    assert [kept.step for kept in whole.latents] == [1, 2, 3]
    late = [job(f"late {step}", plan=start_of(whole, step)) for step in (1, 2, 3)]
    company = [job(f"other {seed}", seed=seed) for seed in range(3)]
    for jobs in ([late[0]], [late[1]], [late[2]], [*company, *late]):
        drawn = await engine.draw(*jobs)
        for step, each in enumerate(late, start=1):
            if each in jobs:
                assert drawn[each.job_id].blob_key == whole.blob_key
                assert drawn[each.job_id].receipt.skipped_steps == step
                assert drawn[each.job_id].receipt.steps == STEPS
    assert whole.receipt.skipped_steps == 0


async def test_files_of_latents_are_as_large_as_said(engine: Engine) -> None:
    """Each step's is one file of the store."""
    whole = (await engine.draw(job("whole")))["whole"]
    sizes = [len(await engine.blobs.read(kept.blob_key)) for kept in whole.latents]
    assert sizes == [kept.byte_count for kept in whole.latents]
    assert len({kept.blob_key for kept in whole.latents}) == 3


async def test_anothers_latents_lead_to_another_picture(engine: Engine) -> None:
    """It is neither the donor's nor the one from noise, and costs the steps that are left."""
    donor, plain = (await engine.draw(job("donor", prompt="a blue square"), job("plain"))).values()
    late = (await engine.draw(job("late", plan=start_of(donor, 2))))["late"]
    assert len({donor.blob_key, plain.blob_key, late.blob_key}) == 3
    assert late.receipt.skipped_steps == 2


async def test_latents_that_cannot_be_had_mean_noise(engine: Engine) -> None:
    """Gone, damaged, of another size, or after a step that is none: the picture is the one from noise."""
    plain = (await engine.draw(job("plain")))["plain"]
    other = replace(job("other"), spec=replace(job("other").spec, height=24, native_height=24))
    of_another_size = (await engine.draw(other))["other"]
    await engine.blobs.put("damaged", b"no latents")
    plans = [
        LatentsPlan(start=StartingPoint(blob_key="gone", step=2)),
        LatentsPlan(start=StartingPoint(blob_key="damaged", step=2)),
        start_of(of_another_size, 2),
        LatentsPlan(start=StartingPoint(blob_key=plain.latents[0].blob_key, step=STEPS)),
    ]
    for number, plan in enumerate(plans):
        drawn = (await engine.draw(job(str(number), plan=plan)))[str(number)]
        assert drawn.blob_key == plain.blob_key
        assert drawn.receipt.skipped_steps == 0


async def test_nothing_is_kept_that_nobody_wanted(engine: Engine) -> None:
    """Without a plan no latents are written."""
    drawn = (await engine.draw(job("plain", plan=LatentsPlan())))["plain"]
    assert drawn.latents == ()
