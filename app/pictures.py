"""One picture, at the least cost: remembered, shared with an identical one under way, or made."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from app.cache.exact import ExactCache, exact_key
from app.cache.single_flight import SingleFlight
from app.errors import GenerationFailedError
from app.generation import CacheLevel, GenerationRequest, Job, JobEvent, JobFinished, Picture, Receipt
from app.telemetry.events import CacheLookedUp, Observer

Listener = Callable[[JobEvent], None]


class Generator(Protocol):
    """What makes pictures: in production the router deployment, in tests a fake."""

    def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Make one picture: yields JobStarted, JobStep where asked, and JobFinished last.

        Raises a DarkroomError when the picture cannot be made.
        """
        ...

    async def cancel(self, job_id: str) -> bool:
        """Stop a job; true when it was waiting or running."""
        ...


class PictureSource:
    """Gets pictures from the exact cache, from identical work under way, or from the generator."""

    def __init__(
        self, *, generator: Generator, cache: ExactCache, revision: Callable[[str], str], observe: Observer
    ) -> None:
        self._generator = generator
        self._cache = cache
        self._revision = revision
        self._observe = observe
        self._flights = SingleFlight[JobEvent, JobFinished]()

    async def get(self, request: GenerationRequest, job: Job, listen: Listener) -> Picture:
        """The job's picture; `listen` hears JobStarted and JobStep of the work that makes it.

        Work is shared among requests of one tenant, tier and start timeout, so that none is
        served later than alone; a request that joins sees the steps that the first one asked
        for. Cancelling this call cancels the work, unless another request waits for it too.
        """
        key = exact_key(job.spec, tenant=request.tenant, revision=self._revision(job.spec.variant))
        remembered = await self._cache.get(key)
        if remembered is not None:
            return self._free_of_charge(request, remembered, CacheLevel.EXACT)
        finished = await self._make(request, job, key, listen)
        if finished.job_id != job.job_id:
            return self._free_of_charge(request, finished.picture, CacheLevel.JOINED)
        self._observe(CacheLookedUp(request_id=request.request_id, level=CacheLevel.NONE))
        return finished.picture

    async def close(self) -> None:
        """Cancel all work under way."""
        await self._flights.close()

    async def _make(self, request: GenerationRequest, job: Job, key: str, listen: Listener) -> JobFinished:
        return await self._flights.do(
            (key, request.tier, request.start_timeout_s),
            work=partial(self._draw, key, job),
            listen=lambda event: listen(replace(event, job_id=job.job_id)),
        )

    async def _draw(self, key: str, job: Job, report: Listener) -> JobFinished:
        try:
            async for event in self._generator.run(job):
                if isinstance(event, JobFinished):
                    self._cache.put(key, event.picture)
                    return event
                report(event)
        except asyncio.CancelledError:
            await self._generator.cancel(job.job_id)
            raise
        raise GenerationFailedError("the picture was not finished")

    def _free_of_charge(self, request: GenerationRequest, picture: Picture, level: CacheLevel) -> Picture:
        spent = picture.receipt
        self._observe(CacheLookedUp(request_id=request.request_id, level=level, gpu_ms_saved=spent.gpu_ms))
        return replace(picture, receipt=Receipt(variant=spent.variant, steps=spent.steps, cache=level))
