"""A whole Darkroom in one process, without Ray: for a laptop, an edge box, or a measurement of the engine alone."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from app.builtin.upscaler import load_upscaler
from app.config import DarkroomSettings
from app.gateway import Gateway
from app.generation import EngineEvent, Job
from app.inference.building import COSTS_FOLDER, build_engine
from app.inference.engine.front import StepEngine
from app.inference.finishing import FinishingStage
from app.inference.upscaling import build_upscaler
from app.routing.ports import Finished, Slot
from app.routing.router import Router
from app.similarity import open_similar
from app.storage import keys
from app.storage.blobs import open_blobs
from app.storage.recent import RecentBlobs
from app.telemetry.events import Observer, ignore

REPLICA = "embedded"


@dataclass(frozen=True, slots=True)
class EmbeddedSlot:
    """Room on the engine of this process."""

    engine: StepEngine
    replica: str = REPLICA

    def run(self, jobs: tuple[Job, ...]) -> AsyncIterator[EngineEvent]:
        """Run the jobs."""
        return self.engine.run(jobs)


class EmbeddedPool:
    """The one engine of this process as the router's pool."""

    slots = 1

    def __init__(self, engine: StepEngine) -> None:
        self._engine = engine

    def acquire(self) -> AbstractAsyncContextManager[Slot]:
        """There is always a slot: the router knows how many jobs the engine has."""
        return self._acquire()

    @asynccontextmanager
    async def _acquire(self) -> AsyncIterator[Slot]:
        yield EmbeddedSlot(self._engine)

    async def cancel(self, job_id: str) -> None:
        """Stop the job."""
        self._engine.cancel(job_id)


class EmbeddedFinisher:
    """The finishing stage of this process as the router's finisher."""

    def __init__(self, stage: FinishingStage) -> None:
        self._stage = stage

    async def finish(self, job: Job, source_key: str) -> Finished:
        """Bring a stored picture to the job's size and encoding."""
        done = await self._stage.finish(job, source_key)
        return Finished(blob_key=done.blob_key, byte_count=done.byte_count, upscale_s=done.upscale_s)


@asynccontextmanager
async def embedded(
    settings: DarkroomSettings, *, observe: Observer = ignore, costs_folder: Path = COSTS_FOLDER
) -> AsyncGenerator[FastAPI]:
    """The HTTP application over warm models, until the block is left.

    All variants share one device and one thread. Raises ConfigurationError when one cannot be had.
    """
    blobs = RecentBlobs(open_blobs(settings.storage))
    engine = await build_engine(
        settings.variants, blobs=blobs, keys=keys, replica=REPLICA, observer=observe, costs_folder=costs_folder
    )
    upscaler = await asyncio.to_thread(build_upscaler, settings.upscaler, load_builtin=load_upscaler)
    finishing = FinishingStage(upscaler, blobs=blobs, keys=keys, observer=observe)
    router = Router(
        pools=dict.fromkeys(settings.variants, EmbeddedPool(engine)),
        max_batch={name: variant.max_batch for name, variant in settings.variants.items()},
        finisher=EmbeddedFinisher(finishing),
        settings=settings.routing,
        observe=observe,
    )
    similar = await open_similar(settings.cache, blobs, observe=observe) if settings.cache.asks_similar else None
    gateway = Gateway(settings, generator=router, blobs=blobs, observe=observe, similar=similar)
    try:
        await gateway.service.start()
        yield gateway.application()
    finally:
        await gateway.service.close()
        if similar is not None:
            await similar.close()
        await router.close()
        engine.close()
        finishing.close()
