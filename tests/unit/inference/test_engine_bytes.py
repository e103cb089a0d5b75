"""Equal specs end in equal files, through the whole engine."""

from pathlib import Path

from fakes import MemoryBlobStore, Recorder, make_job

from app.config import VariantSettings
from app.generation import Job, JobDrawn, JobStep
from app.inference.building import build_engine
from app.inference.engine import BatchEngine
from app.storage import keys
from app.telemetry.events import Observer, VariantReady, ignore

PROMPTS = ("a red circle", "a blue square", "a red square left of a blue circle")
SIZE = {"width": 32, "height": 32, "native_width": 32, "native_height": 32}


async def engine_on(folder: Path, observer: Observer = ignore) -> BatchEngine:
    """A warm engine over the tiny model, as a replica would build it."""
    settings = VariantSettings(source=str(folder), device="cpu", native_sizes=((32, 32), (32, 24)))
    return await build_engine("tiny", settings, blobs=MemoryBlobStore(), keys=keys, replica="r1", observer=observer)


def job_of(seed: int) -> Job:
    """The job that draws the picture of that seed; its id is the seed."""
    prompt = PROMPTS[seed % len(PROMPTS)]
    return make_job(str(seed), seed=seed, prompt=prompt, steps=3, report_steps=True, **SIZE)


async def files_of(engine: BatchEngine, jobs: list[Job], cancelled_at: dict[str, int]) -> dict[str, str]:
    """The content key of each picture drawn; `cancelled_at` names the step after which a job is cancelled."""
    drawn: dict[str, str] = {}
    async for event in engine.run(tuple(jobs)):
        if isinstance(event, JobStep) and cancelled_at.get(event.job_id) == event.step:
            engine.cancel(event.job_id)
        if isinstance(event, JobDrawn):
            drawn[event.job_id] = event.blob_key
    return drawn


async def files_alone(engine: BatchEngine, jobs: list[Job]) -> dict[str, str]:
    """The content key of each picture drawn without company."""
    keys_alone: dict[str, str] = {}
    for job in jobs:
        keys_alone |= await files_of(engine, [job], {})
    return keys_alone


async def test_seeds_give_equal_files_alone_in_a_batch_and_on_another_replica(flux_folder: Path) -> None:
    """A picture's content key is the same alone, in a batch of eight at any place, and after a restart."""
    engine, restarted = await engine_on(flux_folder), await engine_on(flux_folder)
    jobs = [job_of(seed) for seed in range(8)]
    alone = await files_alone(engine, jobs)
    assert len(set(alone.values())) == 8
    assert await files_of(engine, jobs, {}) == alone
    assert await files_of(restarted, jobs[::-1], {}) == alone


async def test_cancelling_others_midway_changes_no_file(flux_folder: Path) -> None:
    """Those who stay get the files that they get alone."""
    engine = await engine_on(flux_folder)
    jobs = [job_of(seed) for seed in range(8)]
    alone = await files_alone(engine, jobs)
    drawn = await files_of(engine, jobs, {"2": 1, "5": 1, "0": 2})
    assert {"1", "3", "4", "6", "7"} <= drawn.keys()
    assert drawn.items() <= alone.items()


async def test_a_built_engine_is_warm(flux_folder: Path) -> None:
    """The replica reports ready, with what loading and warming took, before the factory returns."""
    recorder = Recorder()
    await engine_on(flux_folder, recorder)
    (ready,) = recorder.of(VariantReady)
    assert (ready.variant, ready.replica) == ("tiny", "r1")
    assert min(ready.load_s, ready.warm_s) > 0
