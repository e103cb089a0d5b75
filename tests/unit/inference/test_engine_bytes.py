"""Equal specs end in equal files, through the whole engine."""

from pathlib import Path

from fakes import MemoryBlobStore, Recorder, make_job

from app.config import VariantSettings
from app.generation import Job, JobDrawn, JobStep
from app.inference.building import build_engine
from app.inference.engine.front import StepEngine
from app.inference.loader import load_variant
from app.inference.shelf import joint_bytes
from app.storage import keys
from app.telemetry.events import Observer, VariantEvicted, VariantReady, ignore

PROMPTS = ("a red circle", "a blue square", "a red square left of a blue circle")
SIZE = {"width": 32, "height": 32, "native_width": 32, "native_height": 32}


def variants_of(folder: Path, memory_bytes: int | None = None) -> dict[str, VariantSettings]:
    """The tiny model as it is, and in eight bits."""
    settings = VariantSettings(
        source=str(folder), device="cpu", native_sizes=((32, 32), (32, 24)), max_batch=4, memory_bytes=memory_bytes
    )
    return {"sketch": settings, "small": settings.model_copy(update={"quantization": "int8"})}


async def engine_on(
    folder: Path, costs_folder: Path, observer: Observer = ignore, memory_bytes: int | None = None
) -> StepEngine:
    """A warm engine over the tiny model in two variants, as a replica of their host would build it."""
    return await build_engine(
        variants_of(folder, memory_bytes),
        blobs=MemoryBlobStore(),
        keys=keys,
        replica="r1",
        observer=observer,
        costs_folder=costs_folder,
    )


def job_of(seed: int, variant: str = "sketch") -> Job:
    """The job that draws the picture of that seed; its id names the seed, and the variant if it is not `sketch`."""
    prompt = PROMPTS[seed % len(PROMPTS)]
    job_id = str(seed) if variant == "sketch" else f"{variant}-{seed}"
    return make_job(job_id, seed=seed, variant=variant, prompt=prompt, steps=3, report_steps=True, **SIZE)


async def files_of(engine: StepEngine, jobs: list[Job], cancelled_at: dict[str, int]) -> dict[str, str]:
    """The content key of each picture drawn; `cancelled_at` names the step after which a job is cancelled."""
    drawn: dict[str, str] = {}
    async for event in engine.run(tuple(jobs)):
        if isinstance(event, JobStep) and cancelled_at.get(event.job_id) == event.step:
            engine.cancel(event.job_id)
        if isinstance(event, JobDrawn):
            drawn[event.job_id] = event.blob_key
    return drawn


async def files_alone(engine: StepEngine, jobs: list[Job]) -> dict[str, str]:
    """The content key of each picture drawn without company."""
    keys_alone: dict[str, str] = {}
    for job in jobs:
        keys_alone |= await files_of(engine, [job], {})
    return keys_alone


async def test_seeds_give_equal_files_alone_in_a_batch_and_on_another_replica(
    flux_folder: Path, tmp_path: Path
) -> None:
    """A picture's content key is the same alone, in a batch of eight at any place, and after a restart."""
    engine, restarted = await engine_on(flux_folder, tmp_path), await engine_on(flux_folder, tmp_path)
    jobs = [job_of(seed) for seed in range(8)]
    alone = await files_alone(engine, jobs)
    assert len(set(alone.values())) == 8
    assert await files_of(engine, jobs, {}) == alone
    assert await files_of(restarted, jobs[::-1], {}) == alone


async def test_cancelling_others_midway_changes_no_file(flux_folder: Path, tmp_path: Path) -> None:
    """Those who stay get the files that they get alone."""
    engine = await engine_on(flux_folder, tmp_path)
    jobs = [job_of(seed) for seed in range(8)]
    alone = await files_alone(engine, jobs)
    drawn = await files_of(engine, jobs, {"2": 1, "5": 1, "0": 2})
    assert {"1", "3", "4", "6", "7"} <= drawn.keys()
    assert drawn.items() <= alone.items()


async def test_variants_of_one_device_do_not_touch_each_other(flux_folder: Path, tmp_path: Path) -> None:
    """Jobs of two variants at once give each the files that it gives alone."""
    engine = await engine_on(flux_folder, tmp_path)
    jobs = [job_of(seed, variant) for seed in range(3) for variant in ("sketch", "small")]
    alone = await files_alone(engine, jobs)
    assert len(set(alone.values())) == 6
    assert await files_of(engine, jobs, {}) == alone


async def test_variants_take_turns_in_memory_that_holds_one(flux_folder: Path, tmp_path: Path) -> None:
    """Within the budget of bytes one gives way to the other, as often as needed; no job is lost, no file changes."""
    recorder, roomy = Recorder(), await engine_on(flux_folder, tmp_path)
    largest = max(joint_bytes([load_variant(settings).footprint]) for settings in variants_of(flux_folder).values())
    narrow = await engine_on(flux_folder, tmp_path, recorder, memory_bytes=largest)
    jobs = [job_of(seed, variant) for seed in range(2) for variant in ("sketch", "small")]
    assert await files_of(narrow, jobs, {}) == await files_of(roomy, jobs, {})
    assert {event.variant for event in recorder.of(VariantEvicted)} == {"sketch", "small"}


async def test_a_built_engine_is_warm(flux_folder: Path, tmp_path: Path) -> None:
    """The replica reports each variant ready, with what loading and warming took, before the factory returns."""
    recorder = Recorder()
    await engine_on(flux_folder, tmp_path, recorder)
    ready, _ = recorder.of(VariantReady)
    assert (ready.variant, ready.replica) == ("sketch", "r1")
    assert min(ready.load_s, ready.warm_s) > 0
    assert {event.variant for event in recorder.of(VariantReady)} == {"sketch", "small"}
