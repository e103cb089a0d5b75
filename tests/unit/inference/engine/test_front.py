"""The engine as its process sees it: events, files, cancellation, and a thread that does not die."""

import asyncio
import io
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
import pytest
from fakes import FakeClock, MemoryBlobStore, Recorder, make_job, settle
from PIL import Image
from scripted_pipeline import ScriptedPipeline
from step_loop import FakeMemory

from app.errors import GenerationFailedError, InvalidInputError, JobCancelledError, NotFoundError
from app.generation import EngineEvent, ImageFormat, Job, JobDraining, JobDrawn, JobFailed, JobStarted, JobStep, Task
from app.inference.engine.costs import CostModel
from app.inference.engine.front import StepEngine
from app.inference.engine.variant import EngineVariant
from app.storage import keys
from app.telemetry.events import StageDone


class Bench:
    """An engine over a scripted pipeline, with everything it touches."""

    def __init__(
        self, before_step: Callable[[list[int]], object] = lambda seeds: None, blobs: MemoryBlobStore | None = None
    ) -> None:
        self.blobs, self.recorder, self.memory = blobs or MemoryBlobStore(), Recorder(), FakeMemory()
        self.pipeline = ScriptedPipeline(before_step)
        variant = EngineVariant(pipeline=self._pipeline, costs=CostModel(), batch_sizes=(1, 2, 3, 4))
        self.engine = StepEngine(
            {"sketch": variant}, blobs=self.blobs, keys=keys, replica="r1", memory=self.memory,
            observer=self.recorder, clock=FakeClock(),
        )  # fmt: skip

    async def run(self, *jobs: Job) -> list[EngineEvent]:
        """All events of jobs that come together."""
        return [event async for event in self.engine.run(jobs)]

    def _pipeline(self) -> ScriptedPipeline:
        return self.pipeline


@asynccontextmanager
async def benches(*arguments: Any, **keywords: Any) -> AsyncIterator[Bench]:
    """A bench whose engine is closed at the end."""
    bench = Bench(*arguments, **keywords)
    try:
        yield bench
    finally:
        bench.engine.close()


def of(events: list[EngineEvent], kind: type) -> dict[str, Any]:
    """The events of one kind, by job."""
    return {event.job_id: event for event in events if isinstance(event, kind)}


async def test_jobs_tell_their_story_in_order() -> None:
    """Each starts, steps where asked, drains, and is drawn; the iteration ends when all have ended."""
    async with benches() as bench:
        events = await bench.run(make_job("a", steps=2, report_steps=True), make_job("b", steps=1))
    assert [type(event) for event in events if event.job_id == "a"] == [
        JobStarted, JobStep, JobDraining, JobStep, JobDrawn,
    ]  # fmt: skip
    assert [type(event) for event in events if event.job_id == "b"] == [JobStarted, JobDraining, JobDrawn]


@pytest.mark.parametrize("image_format", ImageFormat)
async def test_a_picture_drawn_to_size_is_delivered(image_format: ImageFormat) -> None:
    """It is stored under its content key in the encoding asked for."""
    async with benches() as bench:
        (drawn,) = of(await bench.run(make_job("a", image_format=image_format)), JobDrawn).values()
    data = bench.blobs.files[drawn.blob_key]
    assert drawn.delivered
    assert drawn.blob_key == keys.content_key(data, image_format.value)
    assert drawn.byte_count == len(data)
    assert Image.open(io.BytesIO(data)).format == image_format.name


async def test_a_smaller_picture_waits_for_the_upscaler() -> None:
    """It is stored lossless in native size under the job's scratch key, whatever the encoding asked for."""
    job = make_job("a", width=1024, height=1024, seed=9, image_format=ImageFormat.JPEG)
    async with benches() as bench:
        (drawn,) = of(await bench.run(job), JobDrawn).values()
    picture = Image.open(io.BytesIO(bench.blobs.files[keys.scratch_key("a")]))
    assert (drawn.delivered, drawn.blob_key) == (False, keys.scratch_key("a"))
    assert (picture.format, picture.size) == ("PNG", (64, 64))
    assert np.array_equal(np.asarray(picture), np.full((64, 64, 3), 9))


async def test_calls_share_one_device() -> None:
    """Jobs of different calls are stepped together, and each call hears of its own jobs alone."""
    arrived = threading.Event()
    async with benches(lambda seeds: arrived.wait(10)) as bench:
        calls = [asyncio.create_task(bench.run(make_job(str(seed), seed=seed, steps=3))) for seed in (1, 2)]
        await settle()
        arrived.set()
        first, second = await asyncio.gather(*calls)
    assert {event.job_id for event in first} == {"1"}
    assert {event.job_id for event in second} == {"2"}
    assert [1, 2] in [sorted(batch) for batch in bench.pipeline.batches]


async def test_a_running_job_is_cancelled_within_a_step() -> None:
    """It fails with its cancellation; the job beside it is drawn."""
    async with benches() as bench:
        bench.pipeline.before_step = lambda seeds: bench.engine.cancel("b")
        events = await bench.run(make_job("a", seed=1, steps=4), make_job("b", seed=2, steps=4))
    assert isinstance(of(events, JobFailed)["b"].error, JobCancelledError)
    assert list(of(events, JobDrawn)) == ["a"]
    assert sum(2 in batch for batch in bench.pipeline.batches) == 1


async def test_only_running_jobs_can_be_cancelled() -> None:
    """Cancelling an unknown or a finished job answers false."""
    async with benches() as bench:
        await bench.run(make_job("a"))
        assert not bench.engine.cancel("a")
        assert not bench.engine.cancel("never")


async def test_leaving_early_stops_the_jobs() -> None:
    """When nobody listens any more, at most the step under way is finished."""
    gone = threading.Event()
    async with benches() as bench:
        bench.pipeline.before_step = lambda seeds: gone.wait(10) if len(bench.pipeline.batches) == 1 else None
        async with aclosing(bench.engine.run((make_job("a", seed=1, steps=50, report_steps=True),))) as events:
            async for event in events:
                if isinstance(event, JobStep):
                    break
        gone.set()
        await bench.run(make_job("b", seed=2, steps=1))
    assert sum(1 in batch for batch in bench.pipeline.batches) <= 2


async def test_an_id_can_be_used_again_while_its_cancelled_job_still_leaves() -> None:
    """The second job with the id is another one: it is drawn."""
    held = threading.Event()
    async with benches(lambda seeds: held.wait(10)) as bench:
        async with aclosing(bench.engine.run((make_job("a", seed=1, steps=9),))) as events:
            await anext(events)
        again = asyncio.create_task(bench.run(make_job("a", seed=2, steps=1)))
        await settle()
        held.set()
        assert list(of(await again, JobDrawn)) == ["a"]


class FullDisk(MemoryBlobStore):
    """A store without room for one picture."""

    async def put(self, key: str, data: bytes) -> None:
        """Fails for the job `b`."""
        if key == keys.scratch_key("b"):
            raise OSError("no space left on device")
        await super().put(key, data)


async def test_a_picture_that_cannot_be_stored_fails_alone() -> None:
    """The other pictures are stored and reported."""
    async with benches(blobs=FullDisk()) as bench:
        events = await bench.run(*(make_job(name, width=512) for name in "abc"))
    assert isinstance(of(events, JobFailed)["b"].error, GenerationFailedError)
    assert sorted(of(events, JobDrawn)) == ["a", "c"]


async def test_the_source_picture_reaches_the_pipeline() -> None:
    """An image-to-image job brings its picture from the blob store; the others bring none."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(buffer, "PNG")
    async with benches() as bench:
        bench.blobs.files["source.png"] = buffer.getvalue()
        await bench.run(make_job("a", task=Task.IMAGE_TO_IMAGE, source_key="source.png"))
        await bench.run(make_job("b"))
    source, nothing = bench.pipeline.sources
    assert (source.size, source.getpixel((0, 0)), nothing) == ((8, 6), (255, 0, 0), None)


async def test_a_bad_source_fails_its_job_alone() -> None:
    """A missing file and a file that is no picture give their own errors; nothing else fails."""
    sources = {"missing": "missing.png", "broken": "text.png"}
    jobs = [make_job(name, task=Task.IMAGE_TO_IMAGE, source_key=key) for name, key in sources.items()]
    async with benches() as bench:
        bench.blobs.files["text.png"] = b"not a picture"
        events = await bench.run(*jobs, make_job("fine"))
    failures = of(events, JobFailed)
    assert isinstance(failures["missing"].error, NotFoundError)
    assert isinstance(failures["broken"].error, InvalidInputError)
    assert list(of(events, JobDrawn)) == ["fine"]


async def test_storing_is_observed() -> None:
    """Telemetry hears from the event loop what the device's thread and the store did."""
    async with benches() as bench:
        await bench.run(make_job("a", steps=1))
        await settle()
    assert sorted(event.stage for event in bench.recorder.of(StageDone)) == ["decode", "encode", "store"]


async def test_work_between_steps_can_be_asked_for() -> None:
    """A function runs on the device's thread; its result or its error comes back."""

    def broken() -> None:
        raise ValueError("no")

    async with benches() as bench:
        assert await bench.engine.call(lambda: threading.current_thread().name) == "device"
        with pytest.raises(ValueError, match="no"):
            await bench.engine.call(broken)
        assert await bench.engine.call(lambda: 3) == 3


async def test_a_fault_of_the_engine_ends_its_jobs_and_not_the_engine(caplog: pytest.LogCaptureFixture) -> None:
    """An error where none is foreseen fails the jobs that are there; the next ones are drawn."""
    async with benches() as bench:
        bench.memory.error = OSError("the driver has gone away")
        with caplog.at_level(logging.ERROR):
            events = await bench.run(make_job("a"))
        bench.memory.error = None
        assert isinstance(of(events, JobFailed)["a"].error, GenerationFailedError)
        assert list(of(await bench.run(make_job("b")), JobDrawn)) == ["b"]
        assert bench.engine.is_alive


async def test_closing_ends_what_is_left() -> None:
    """A job that is under way ends with JobCancelledError after the step under way."""
    async with benches() as bench:
        bench.pipeline.before_step = lambda seeds: bench.engine.close()
        (failure,) = of(await bench.run(make_job("a", steps=9)), JobFailed).values()
    assert isinstance(failure.error, JobCancelledError)
    assert len(bench.pipeline.batches) == 1
