"""The engine of one replica, as the rest of its process sees it."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from PIL import Image

from app.errors import DarkroomError
from app.generation import EngineEvent, ImageFormat, Job, JobDrawn, JobFailed, Task
from app.inference.engine.artist import Artist
from app.inference.engine.jobs import Drawing, EngineJob, Order, cancelled, failed
from app.inference.engine.loop import StepLoop
from app.inference.engine.mailbox import Mailbox
from app.inference.engine.memory import DeviceMemory
from app.inference.engine.thread import DeviceThread
from app.inference.engine.variant import EngineVariant
from app.inference.pictures import decode_picture, encode_picture
from app.inference.ports import Blobs, Keys
from app.inference.trajectories import pack, unpack
from app.latents import KeptLatents
from app.telemetry.events import Event, Observer, StageDone, ignore

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class _Group:
    """Jobs that came with one call, and the events that its caller has not read."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.unfinished = {job.job_id for job in jobs}
        self.cancelled: set[str] = set()
        self.unread: asyncio.Queue[EngineEvent] = asyncio.Queue()
        self.works: dict[str, EngineJob] = {}

    def cancel(self, job_id: str) -> None:
        self.cancelled.add(job_id)
        if job_id in self.works:
            self.works[job_id].is_cancelled = True


class StepEngine:
    """Draws jobs, in batches that change at every denoising step, and stores their pictures.

    A job that fails or is cancelled leaves at the next step without touching the others. Times
    are epoch seconds of `clock`; `effort` counts the seconds that the device has worked.
    """

    def __init__(
        self,
        variants: Mapping[str, EngineVariant],
        *,
        blobs: Blobs,
        keys: Keys,
        replica: str,
        memory: DeviceMemory,
        observer: Observer = ignore,
        clock: Callable[[], float] = time.time,
        effort: Callable[[], float] = time.perf_counter,
        max_source_pixels: int = 25_000_000,
    ) -> None:
        self._blobs = blobs
        self._keys = keys
        self._observer = observer
        self._clock = clock
        self._max_source_pixels = max_source_pixels
        self._groups: dict[str, _Group] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._mailbox: Mailbox[Callable[[], object]] = Mailbox(lambda message: message())
        artist = Artist(variants, memory=memory, replica=replica, observe=self._observe, clock=clock, effort=effort)
        loop = StepLoop(artist, variants, memory=memory, observe=self._observe, clock=clock)
        self._device = DeviceThread(loop, memory=memory, replica=replica, observe=self._observe_now)

    @property
    def is_alive(self) -> bool:
        """Whether the device's thread works."""
        return self._device.is_alive

    async def run(self, jobs: Sequence[Job]) -> AsyncGenerator[EngineEvent]:
        """The events of these jobs until each has ended; leaving the iteration early cancels what is unfinished.

        Every job starts, reports steps where asked, drains with its last step, and ends with
        JobDrawn or JobFailed.
        """
        self._mailbox.open()
        group = _Group(jobs)
        self._groups.update(dict.fromkeys(group.unfinished, group))
        for job in jobs:
            if _source_key(job) is not None or job.latents.start is not None:
                self._start(self._take_in_with_files(job, group))
            else:
                self._take_in(Order(job=job), group)
        try:
            while group.unfinished or not group.unread.empty():
                yield await group.unread.get()
        finally:
            for job_id in group.unfinished:
                group.cancel(job_id)

    def cancel(self, job_id: str) -> bool:
        """Drop a job at the next step boundary; false when it is unknown or already finished."""
        group = self._groups.get(job_id)
        if group is None:
            return False
        group.cancel(job_id)
        return True

    async def call(self, function: Callable[[], Result]) -> Result:
        """The function's result, computed on the device's thread between two steps."""
        self._mailbox.open()
        return await self._device.call(function)

    def close(self) -> None:
        """Let go of the device after the step under way; jobs that are left end as cancelled."""
        self._device.close()

    async def _take_in_with_files(self, job: Job, group: _Group) -> None:
        try:
            order = Order(job=job, source=await self._source(_source_key(job)), start=await self._latents_of(job))
        except Exception as error:
            self._tell(group, failed(job, error))
        else:
            self._take_in(order, group)

    def _take_in(self, order: Order, group: _Group) -> None:
        job = order.job
        if job.job_id in group.cancelled:
            self._tell(group, cancelled(job))
            return
        work = EngineJob(order=order, emit=lambda event: self._mailbox.post(partial(self._hear, group, event)))
        group.works[job.job_id] = work
        self._device.submit(work)

    async def _source(self, source_key: str | None) -> Image.Image | None:
        if source_key is None:
            return None
        data = await self._blobs.read(source_key)
        return await asyncio.to_thread(decode_picture, data, max_bytes=len(data), max_pixels=self._max_source_pixels)

    async def _latents_of(self, job: Job) -> torch.Tensor | None:
        """Those that the job begins with; None, from noise, where they cannot be had."""
        if job.latents.start is None:
            return None
        try:
            return await asyncio.to_thread(unpack, await self._blobs.read(job.latents.start.blob_key))
        except (DarkroomError, ValueError):
            logger.warning("job %s begins from noise", job.job_id, exc_info=True)
            return None

    def _observe(self, event: Event) -> None:
        """What happens to jobs: it is told with the next news of one of them, without waking anybody for it."""
        self._mailbox.post_later(partial(self._observer, event))

    def _observe_now(self, event: Event) -> None:
        self._mailbox.post(partial(self._observer, event))

    def _hear(self, group: _Group, event: EngineEvent | Drawing) -> None:
        if isinstance(event, Drawing):
            self._start(self._finish(event, group))
        else:
            self._tell(group, event)

    def _tell(self, group: _Group, event: EngineEvent) -> None:
        if isinstance(event, JobDrawn | JobFailed):
            group.unfinished.discard(event.job_id)
            group.works.pop(event.job_id, None)
            if self._groups.get(event.job_id) is group:
                del self._groups[event.job_id]
        group.unread.put_nowait(event)

    async def _finish(self, drawing: Drawing, group: _Group) -> None:
        job = drawing.job
        try:
            is_cancelled = job.job_id in group.cancelled
            self._tell(group, cancelled(job) if is_cancelled else await self._store(drawing))
        except Exception as error:
            self._tell(group, failed(job, error))

    async def _store(self, drawing: Drawing) -> JobDrawn:
        job_id, spec, started_s = drawing.job.job_id, drawing.job.spec, self._clock()
        delivered = spec.is_drawn_to_size
        image_format = spec.image_format if delivered else ImageFormat.PNG
        data = await asyncio.to_thread(encode_picture, drawing.pixels, image_format, quality=spec.quality)
        key = self._keys.scratch_key(job_id)
        if delivered:
            key = self._keys.content_key(data, image_format.value, salt=drawing.job.file_salt)
        await self._blobs.put(key, data)
        self._observer(
            StageDone(job_id=job_id, stage="store", variant=spec.variant, started_s=started_s, ended_s=self._clock())
        )
        kept = [await self._keep(job_id, step, latents) for step, latents in drawing.latents.items()]
        return JobDrawn(
            job_id=job_id,
            blob_key=key,
            byte_count=len(data),
            delivered=delivered,
            receipt=drawing.receipt,
            latents=tuple(kept),
        )

    async def _keep(self, job_id: str, step: int, latents: torch.Tensor) -> KeptLatents:
        data, key = await asyncio.to_thread(pack, latents), self._keys.latents_key(job_id, step)
        await self._blobs.put(key, data)
        return KeptLatents(step=step, blob_key=key, byte_count=len(data))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _source_key(job: Job) -> str | None:
    """The file that the job's picture is drawn from."""
    return job.spec.source_key if job.spec.task is Task.IMAGE_TO_IMAGE else None
