"""The engine of one replica: an asyncio front, and one thread that owns the device."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from PIL import Image

from app.generation import BatchEvent, ImageFormat, Job, JobDrawn, JobFailed, PictureSpec, Task
from app.inference.drawing import BatchArtist, Drawing, Order, Outlet, cancelled, failure
from app.inference.loader import LoadedModel, resident_bytes
from app.inference.pictures import decode_picture, encode_picture
from app.inference.ports import Blobs, Keys
from app.telemetry.events import Event, Observer, StageDone, VariantReady, ignore


class _Batch:
    def __init__(self, jobs: tuple[Job, ...]) -> None:
        self.jobs = {job.job_id: job for job in jobs}
        self.cancelled: set[str] = set()


class BatchEngine:
    """Draws batches one after the other in order of arrival and stores their pictures.

    Start, steps, draining, and one JobDrawn or JobFailed per job come as events; a batch of
    equal shape is drawn together, and a job that fails or is cancelled leaves it at the next
    step without touching the others. Times are epoch seconds of `clock`.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        blobs: Blobs,
        keys: Keys,
        variant: str,
        replica: str,
        observer: Observer = ignore,
        clock: Callable[[], float] = time.time,
        max_source_pixels: int = 25_000_000,
    ) -> None:
        self._model = model
        self._blobs = blobs
        self._keys = keys
        self._variant = variant
        self._replica = replica
        self._observer = observer
        self._clock = clock
        self._max_source_pixels = max_source_pixels
        self._artist = BatchArtist(model.pipeline, variant=variant, replica=replica, clock=clock)
        self._device = ThreadPoolExecutor(max_workers=1, thread_name_prefix="device")
        self._batches: dict[str, _Batch] = {}
        self._busy_s = 0.0

    @property
    def busy_s(self) -> float:
        """Seconds that the device has spent on batches since the engine was made."""
        return self._busy_s

    async def warm(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Draw one step at every size, so that the first request is as fast as the rest; observes VariantReady."""
        started_s = self._clock()
        for width, height in sizes:
            await asyncio.get_running_loop().run_in_executor(self._device, self._rehearse, width, height)
        self._observer(
            VariantReady(
                variant=self._variant, replica=self._replica, load_s=self._model.load_s,
                warm_s=self._clock() - started_s, resident_bytes=resident_bytes(),
            )
        )  # fmt: skip

    async def run(self, jobs: tuple[Job, ...]) -> AsyncGenerator[BatchEvent]:
        """Draw the jobs as one batch; leaving the iteration early cancels what is unfinished."""
        batch = _Batch(jobs)
        self._batches.update(dict.fromkeys(batch.jobs, batch))
        try:
            async with aclosing(self._events(batch)) as events:
                async for event in events:
                    if isinstance(event, JobDrawn | JobFailed):
                        self._batches.pop(event.job_id, None)
                    yield event
        finally:
            batch.cancelled.update(batch.jobs)
            for job_id in batch.jobs:
                self._batches.pop(job_id, None)

    def cancel(self, job_id: str) -> bool:
        """Drop a job at the next step boundary; false when it is unknown or already finished."""
        batch = self._batches.get(job_id)
        if batch is None:
            return False
        batch.cancelled.add(job_id)
        return True

    def close(self) -> None:
        """Let go of the device once the running batch is done; waiting batches are dropped."""
        self._device.shutdown(wait=False, cancel_futures=True)

    async def _events(self, batch: _Batch) -> AsyncGenerator[BatchEvent]:
        orders = []
        for outcome in await asyncio.gather(*(self._order(job) for job in batch.jobs.values())):
            if isinstance(outcome, Order):
                orders.append(outcome)
            else:
                yield outcome
        inbox: asyncio.Queue[BatchEvent | Drawing | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        outlet = self._outlet(batch, lambda item: loop.call_soon_threadsafe(inbox.put_nowait, item))
        work = loop.run_in_executor(self._device, self._draw, orders, outlet)
        work.add_done_callback(lambda _: inbox.put_nowait(None))
        while (item := await inbox.get()) is not None:
            yield await self._finish(item, batch) if isinstance(item, Drawing) else item
        await work

    def _outlet(self, batch: _Batch, emit: Callable[[BatchEvent | Drawing], object]) -> Outlet:
        loop = asyncio.get_running_loop()

        def observe(event: Event) -> None:
            loop.call_soon_threadsafe(self._observer, event)

        return Outlet(emit=emit, observe=observe, is_cancelled=batch.cancelled.__contains__)

    def _draw(self, orders: Sequence[Order], outlet: Outlet) -> None:
        started_s = self._clock()
        try:
            self._artist.draw(orders, outlet)
        finally:
            self._busy_s += self._clock() - started_s

    async def _order(self, job: Job) -> Order | JobFailed:
        if job.spec.task is not Task.IMAGE_TO_IMAGE or job.spec.source_key is None:
            return Order(job=job)
        try:
            data = await self._blobs.read(job.spec.source_key)
            return Order(job=job, source=await asyncio.to_thread(self._open, data))
        except Exception as error:
            return failure(job, error)

    def _open(self, data: bytes) -> Image.Image:
        return decode_picture(data, max_bytes=len(data), max_pixels=self._max_source_pixels)

    async def _finish(self, drawing: Drawing, batch: _Batch) -> BatchEvent:
        if drawing.job.job_id in batch.cancelled:
            return cancelled(drawing.job)
        try:
            return await self._store(drawing)
        except Exception as error:
            return failure(drawing.job, error)

    async def _store(self, drawing: Drawing) -> JobDrawn:
        job_id, spec, started_s = drawing.job.job_id, drawing.job.spec, self._clock()
        delivered = spec.is_drawn_to_size
        image_format = spec.image_format if delivered else ImageFormat.PNG
        data = await asyncio.to_thread(encode_picture, drawing.pixels, image_format)
        key = self._keys.content_key(data, image_format.value) if delivered else self._keys.scratch_key(job_id)
        await self._blobs.put(key, data)
        self._observer(
            StageDone(job_id=job_id, stage="store", variant=self._variant, started_s=started_s, ended_s=self._clock())
        )
        return JobDrawn(job_id=job_id, blob_key=key, byte_count=len(data), delivered=delivered, receipt=drawing.receipt)

    def _rehearse(self, width: int, height: int) -> None:
        pipeline = self._model.pipeline
        spec = PictureSpec(
            task=Task.IMAGE_TO_IMAGE, variant=self._variant, width=width, height=height,
            native_width=width, native_height=height, steps=1,
        )  # fmt: skip
        state = pipeline.prepare(spec, pipeline.encode("", width, height), Image.new("RGB", (width, height)))
        pipeline.decode(pipeline.step([state])[0])
