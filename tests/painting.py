"""A real server on this machine whose model is a painter: everything is there but the network."""

import asyncio
import io
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fakes import MemoryBlobStore, make_levels
from PIL import Image

from app.api.app import create_app
from app.api.fetch import GuardedFetcher
from app.api.outbound import tls_transports
from app.config import DarkroomSettings, load_settings
from app.errors import DarkroomError
from app.generation import Job, JobEvent, JobFinished, JobStarted, JobStep, Picture, Receipt
from app.inference.pictures import encode_picture
from app.service import DarkroomService
from app.storage.jobs import Keeping, MemoryJobStore
from app.storage.keys import content_key

LOCAL = Path(__file__).resolve().parents[1] / "configs" / "local.yaml"
PREVIEW_SIDE = 32


class Painter:
    """Paints one colour per seed, with a preview at every step where asked.

    By their prompts, pictures are `held` until `release` is set, or end with one of `errors`; that of `endless` is
    begun and never finished. `runs` has every job begun. `stuck` is set while as many jobs are held as `wants_stuck`
    says. Only these two events cross threads.
    """

    def __init__(self, *, errors: dict[str, DarkroomError] | None = None, wants_stuck: int = 1) -> None:
        self.blobs = MemoryBlobStore()
        self.runs: list[Job] = []
        self.held: set[str] = set()
        self.stuck = threading.Event()
        self.release = threading.Event()
        self._errors = errors or {}
        self._wants_stuck = wants_stuck
        self._waiting = 0

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Go through the events of one job."""
        self.runs.append(job)
        if job.spec.prompt in self.held:
            await self._hold()
        yield JobStarted(job_id=job.job_id, replica="painter")
        if job.spec.prompt == "endless":
            await asyncio.Event().wait()
        for step in range(1, job.spec.steps + 1):
            preview = preview_of(job.spec.seed) if job.previews and step < job.spec.steps else None
            yield JobStep(job_id=job.job_id, step=step, steps=job.spec.steps, preview=preview)
        if job.spec.prompt in self._errors:
            raise self._errors[job.spec.prompt]
        yield JobFinished(job_id=job.job_id, picture=await self._painted(job))

    async def cancel(self, job_id: str) -> bool:
        """Nothing outlives its caller here."""
        return False

    async def _hold(self) -> None:
        self._waiting += 1
        if self._waiting >= self._wants_stuck:
            self.stuck.set()
        await asyncio.to_thread(self.release.wait)

    async def _painted(self, job: Job) -> Picture:
        spec = job.spec
        colour = (spec.seed % 256, spec.seed // 256 % 256, len(spec.prompt) % 256)
        pixels = np.full((spec.height, spec.width, 3), colour, np.uint8)
        data = encode_picture(pixels, spec.image_format, quality=spec.quality)
        key = content_key(data, spec.image_format.value, salt=job.file_salt)
        await self.blobs.put(key, data)
        return Picture(
            blob_key=key,
            width=spec.width,
            height=spec.height,
            image_format=spec.image_format,
            byte_count=len(data),
            receipt=Receipt(variant=spec.variant, steps=spec.steps),
        )


def preview_of(seed: int) -> bytes:
    """The small JPEG that the painter shows on the way to a seed's picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (PREVIEW_SIDE, PREVIEW_SIDE), (seed % 256, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Studio:
    """A running server, and who paints for it."""

    url: str
    painter: Painter


@contextmanager
def studio(
    painter: Painter | None = None, settings: DarkroomSettings | None = None, **options: Any
) -> Iterator[Studio]:
    """Serve on a free port of the loopback until the block is left; options are uvicorn's."""
    painter = painter or Painter()
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = (painter, settings or load_settings(LOCAL), listener, stop, options)
        thread = threading.Thread(target=_run, args=arguments)
        thread.start()
        scheme = "https" if "ssl_certfile" in options else "http"
        try:
            yield Studio(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", painter)
        finally:
            painter.release.set()
            stop.set()
            thread.join()


def _run(
    painter: Painter,
    settings: DarkroomSettings,
    listener: socket.socket,
    stop: threading.Event,
    options: dict[str, Any],
) -> None:
    try:
        asyncio.run(_serve(painter, settings, listener, stop, options))
    finally:
        # A server that failed to start must not let its callers wait.
        listener.close()


async def _serve(
    painter: Painter,
    settings: DarkroomSettings,
    listener: socket.socket,
    stop: threading.Event,
    options: dict[str, Any],
) -> None:
    keeping = Keeping(ttl_s=settings.storage.result_ttl_s, max_completed=settings.storage.max_results)
    jobs = MemoryJobStore(keeping, clock=time.time)
    open_transport = tls_transports()
    service = DarkroomService(
        generator=painter,
        cache=make_levels(painter.blobs, max_entries=2000),
        jobs=jobs,
        routing=settings.routing,
        revision=lambda variant: variant,
    )
    app = create_app(
        service=service,
        blobs=painter.blobs,
        fetcher=GuardedFetcher(settings=settings.fetch, blobs=painter.blobs, open_transport=open_transport),
        settings=settings,
        secret=b"s" * 32,
        outbox=jobs,
        open_transport=open_transport,
    )
    usual: dict[str, Any] = {"log_level": "warning", "lifespan": "on", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(app, **(usual | options)))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.to_thread(stop.wait)
    server.should_exit = True
    await serving
    await service.close()
