"""Batches on the engine: what is reported, stored, isolated and cancelled."""

import asyncio
import io
import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fakes import FakeClock, MemoryBlobStore, Recorder, make_job
from PIL import Image
from scripted_pipeline import ScriptedPipeline, loaded

from app.errors import GenerationFailedError, InvalidInputError, JobCancelledError, NotFoundError
from app.generation import (
    BatchDraining,
    BatchEvent,
    ImageFormat,
    Job,
    JobDrawn,
    JobFailed,
    JobStarted,
    JobStep,
    Task,
)
from app.inference.engine import BatchEngine
from app.storage import keys
from app.telemetry.events import StageDone, StepDone, VariantReady


class Bench:
    """An engine over a scripted pipeline, with everything it touches."""

    def __init__(
        self, before_step: Callable[[list[int]], object] = lambda seeds: None, blobs: MemoryBlobStore | None = None
    ) -> None:
        self.blobs, self.recorder, self.clock = blobs or MemoryBlobStore(), Recorder(), FakeClock()
        self.pipeline = ScriptedPipeline(before_step)
        self.engine = BatchEngine(
            loaded(self.pipeline), blobs=self.blobs, keys=keys, variant="sketch", replica="r1",
            observer=self.recorder, clock=self.clock,
        )  # fmt: skip

    async def run(self, *jobs: Job) -> list[BatchEvent]:
        """All events of one batch."""
        return [event async for event in self.engine.run(jobs)]


def of(events: list[BatchEvent], kind: type) -> dict[str, Any]:
    """The events of one kind, by job."""
    return {event.job_id: event for event in events if isinstance(event, kind)}


async def test_a_batch_tells_its_story_in_order() -> None:
    """Every job starts, steps, and is drawn; draining comes before the last step and steps only where asked."""
    events = await Bench().run(make_job("a", steps=2, report_steps=True), make_job("b", steps=2))
    kinds = [(type(event), getattr(event, "job_id", None)) for event in events]
    assert kinds == [
        (JobStarted, "a"), (JobStarted, "b"), (JobStep, "a"), (BatchDraining, None), (JobStep, "a"),
        (JobDrawn, "a"), (JobDrawn, "b"),
    ]  # fmt: skip


@pytest.mark.parametrize("image_format", ImageFormat)
async def test_a_picture_drawn_to_size_is_delivered(image_format: ImageFormat) -> None:
    """It is stored under its content key in the encoding asked for."""
    bench = Bench()
    (drawn,) = of(await bench.run(make_job("a", image_format=image_format)), JobDrawn).values()
    data = bench.blobs.files[drawn.blob_key]
    assert drawn.delivered
    assert drawn.blob_key == keys.content_key(data, image_format.value)
    assert drawn.byte_count == len(data)
    assert Image.open(io.BytesIO(data)).format == image_format.name


async def test_a_smaller_picture_waits_for_the_upscaler() -> None:
    """It is stored lossless in native size under the job's scratch key, whatever the encoding asked for."""
    bench = Bench()
    job = make_job("a", width=1024, height=1024, seed=9, image_format=ImageFormat.JPEG)
    (drawn,) = of(await bench.run(job), JobDrawn).values()
    picture = Image.open(io.BytesIO(bench.blobs.files[keys.scratch_key("a")]))
    assert (drawn.delivered, drawn.blob_key) == (False, keys.scratch_key("a"))
    assert (picture.format, picture.size) == ("PNG", (64, 64))
    assert np.array_equal(np.asarray(picture), np.full((64, 64, 3), 9))


async def test_the_receipt_tells_what_the_picture_cost() -> None:
    """Steps, batch size and times are those of the run; device time of a step is shared by its batch."""
    bench = Bench(lambda seeds: setattr(bench.clock, "now_s", bench.clock.now_s + 0.5))
    jobs = [make_job(name, steps=4) for name in "abcd"]
    receipts = [drawn.receipt for drawn in of(await bench.run(*jobs), JobDrawn).values()]
    assert {receipt.gpu_ms for receipt in receipts} == {500.0}
    assert {(receipt.denoise_s, receipt.steps, receipt.batch_size) for receipt in receipts} == {(2.0, 4, 4)}
    assert {(receipt.variant, receipt.replica) for receipt in receipts} == {("sketch", "r1")}
    assert bench.engine.busy_s == 2.0


async def test_a_cancelled_job_leaves_at_the_next_step() -> None:
    """It fails with its cancellation, and the others go on without it."""
    bench = Bench(lambda seeds: bench.engine.cancel("b") if len(bench.pipeline.batches) == 1 else None)
    events = await bench.run(make_job("a", seed=1, steps=4), make_job("b", seed=2, steps=4))
    assert isinstance(of(events, JobFailed)["b"].error, JobCancelledError)
    assert list(of(events, JobDrawn)) == ["a"]
    assert bench.pipeline.batches == [[1, 2], [1, 2], [1], [1]]


async def test_a_job_cancelled_while_it_waits_is_never_started() -> None:
    """It fails with its cancellation before any work is done for it."""
    bench = Bench(lambda seeds: bench.engine.cancel("late"))
    _, events = await asyncio.gather(bench.run(make_job("a")), bench.run(make_job("late", prompt="never read")))
    assert [type(event) for event in events] == [JobFailed]
    assert bench.pipeline.encoded == ["a dot"]


class FullDisk(MemoryBlobStore):
    """A store without room for one picture."""

    async def put(self, key: str, data: bytes) -> None:
        """Fails for the job `b`."""
        if key == keys.scratch_key("b"):
            raise OSError("no space left on device")
        await super().put(key, data)


async def test_a_picture_that_cannot_be_stored_fails_alone() -> None:
    """The other pictures of the batch are stored and reported."""
    bench = Bench(blobs=FullDisk())
    events = await bench.run(*(make_job(name, width=512) for name in "abc"))
    assert isinstance(of(events, JobFailed)["b"].error, GenerationFailedError)
    assert list(of(events, JobDrawn)) == ["a", "c"]


async def test_only_running_jobs_can_be_cancelled() -> None:
    """Cancelling an unknown or a finished job answers false."""
    bench = Bench()
    await bench.run(make_job("a"))
    assert not bench.engine.cancel("a")
    assert not bench.engine.cancel("never")


async def test_leaving_early_stops_the_batch() -> None:
    """When nobody listens any more, at most the step under way is finished."""
    gone = threading.Event()
    bench = Bench(lambda seeds: gone.wait(10) if len(bench.pipeline.batches) == 1 else None)
    events = bench.engine.run((make_job("a", seed=1, steps=50, report_steps=True),))
    while not isinstance(await anext(events), JobStep):
        pass
    await events.aclose()
    gone.set()
    await bench.run(make_job("b", seed=2, steps=1))
    assert bench.pipeline.batches.count([1]) <= 2


async def test_a_step_that_fails_for_one_sample_spares_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """When a batch cannot be stepped each sample is tried alone, and only the culprit fails; its cause is logged."""

    def fail_on_two(seeds: list[int]) -> None:
        if 2 in seeds:
            raise RuntimeError("two does not work")

    with caplog.at_level(logging.ERROR):
        events = await Bench(fail_on_two).run(*(make_job(str(seed), seed=seed, steps=2) for seed in (1, 2, 3)))
    assert list(of(events, JobDrawn)) == ["1", "3"]
    assert isinstance(of(events, JobFailed)["2"].error, GenerationFailedError)
    assert "two does not work" not in of(events, JobFailed)["2"].error.detail
    assert "two does not work" in caplog.text


async def test_a_prompt_that_cannot_be_encoded_fails_alone() -> None:
    """The other jobs of the batch are drawn."""
    events = await Bench().run(make_job("a", prompt="unspeakable"), make_job("b"))
    assert list(of(events, JobFailed)) == ["a"]
    assert list(of(events, JobDrawn)) == ["b"]


async def test_a_prompt_is_encoded_once() -> None:
    """Jobs with the same words and size share one embedding, across batches too."""
    bench = Bench()
    await bench.run(make_job("a"), make_job("b"))
    await bench.run(make_job("c"), make_job("d", prompt="another"))
    assert bench.pipeline.encoded == ["a dot", "another"]


async def test_the_source_picture_reaches_the_pipeline() -> None:
    """An image-to-image job brings its picture from the blob store; the others bring none."""
    bench, buffer = Bench(), io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(buffer, "PNG")
    bench.blobs.files["source.png"] = buffer.getvalue()
    await bench.run(make_job("a", task=Task.IMAGE_TO_IMAGE, source_key="source.png"), make_job("b"))
    source, nothing = bench.pipeline.sources
    assert (source.size, source.getpixel((0, 0)), nothing) == ((8, 6), (255, 0, 0), None)


async def test_a_bad_source_fails_its_job_alone() -> None:
    """A missing file and a file that is no picture give their own errors; nothing else fails."""
    bench = Bench()
    bench.blobs.files["text.png"] = b"not a picture"
    sources = {"missing": "missing.png", "broken": "text.png"}
    jobs = [make_job(name, task=Task.IMAGE_TO_IMAGE, source_key=key) for name, key in sources.items()]
    events = await bench.run(*jobs, make_job("fine"))
    failures = of(events, JobFailed)
    assert isinstance(failures["missing"].error, NotFoundError)
    assert isinstance(failures["broken"].error, InvalidInputError)
    assert list(of(events, JobDrawn)) == ["fine"]


async def test_batches_run_in_order_of_arrival() -> None:
    """Batches that arrive together are drawn one after the other, never interleaved."""
    bench = Bench()
    await asyncio.gather(*(bench.run(make_job(str(seed), seed=seed, steps=3)) for seed in range(4)))
    assert bench.pipeline.batches == [[seed] for seed in range(4) for _ in range(3)]


async def test_every_stage_is_observed() -> None:
    """Telemetry sees encode, each step with its jobs, decode and store."""
    bench = Bench()
    await bench.run(make_job("a", steps=2), make_job("b", steps=2))
    assert [(event.step, event.job_ids) for event in bench.recorder.of(StepDone)] == [(1, ("a", "b")), (2, ("a", "b"))]
    stages = [(event.job_id, event.stage) for event in bench.recorder.of(StageDone)]
    assert sorted(stages) == [(job, stage) for job in "ab" for stage in ("decode", "encode", "store")]


async def test_a_warm_engine_has_drawn_every_size() -> None:
    """Warming steps once at each size and then tells that the variant is ready."""
    bench = Bench()
    await bench.engine.warm([(64, 64), (64, 48)])
    (ready,) = bench.recorder.of(VariantReady)
    assert [source.size for source in bench.pipeline.sources] == [(64, 64), (64, 48)]
    assert (ready.variant, ready.replica, ready.load_s) == ("sketch", "r1", 2.0)
    assert ready.resident_bytes > 0
