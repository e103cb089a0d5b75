"""One picture, at the least cost: remembered, shared with an identical one under way, or made."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from app.cache.exact import ExactCache
from app.cache.lookup import CachePlan, CachePlanner
from app.cache.single_flight import SingleFlight
from app.cache_levels import CacheLevel, CacheLimit
from app.errors import GenerationFailedError
from app.generation import GenerationRequest, Job, JobEvent, JobFinished, Picture, Receipt
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
    """Gets pictures from the cache, from the same work under way, or from the generator.

    No request is answered from further than `limit`.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        cache: ExactCache,
        revision: Callable[[str], str],
        observe: Observer,
        limit: CacheLimit = CacheLimit.CANONICAL,
    ) -> None:
        self._generator = generator
        self._cache = cache
        self._observe = observe
        self._planner = CachePlanner(cache=cache, revision=revision, limit=limit)
        self._flights = SingleFlight[JobEvent, JobFinished]()

    async def get(self, request: GenerationRequest, job: Job, listen: Listener) -> Picture:
        """The job's picture; `listen` hears JobStarted and JobStep of the work that makes it.

        Work is shared among requests of one tenant, tier and start timeout, so that none is
        served later than alone; a request that joins sees the steps that the first one asked
        for. Cancelling this call cancels the work, unless another request waits for it too.
        """
        plan = self._planner.plan(request, job)
        for key, level in plan.readable:
            remembered = await self._cache.get(key)
            if remembered is not None:
                return self._free_of_charge(request, remembered, level)
        finished = await self._make(request, job, plan, listen)
        if finished.job_id != job.job_id:
            return self._free_of_charge(request, finished.picture, CacheLevel.JOINED)
        self._observe(CacheLookedUp(request_id=request.request_id, level=CacheLevel.NONE))
        return finished.picture

    async def close(self) -> None:
        """Cancel all work under way."""
        await self._flights.close()

    async def _make(self, request: GenerationRequest, job: Job, plan: CachePlan, listen: Listener) -> JobFinished:
        return await self._flights.do(
            (plan.shared_as, request.tier, request.start_timeout_s),
            work=partial(self._draw, request.tenant, plan.written, job),
            listen=lambda event: listen(replace(event, job_id=job.job_id)),
        )

    async def _draw(self, tenant: str, keys: tuple[str, ...], job: Job, report: Listener) -> JobFinished:
        try:
            async for event in self._generator.run(job):
                if isinstance(event, JobFinished):
                    picture = replace(event.picture, seed=job.spec.seed)
                    for key in keys:
                        self._cache.put(key, picture, tenant=tenant)
                    return replace(event, picture=picture)
                report(event)
        except asyncio.CancelledError:
            await self._generator.cancel(job.job_id)
            raise
        raise GenerationFailedError("the picture was not finished")

    def _free_of_charge(self, request: GenerationRequest, picture: Picture, level: CacheLevel) -> Picture:
        spent = picture.receipt
        self._observe(CacheLookedUp(request_id=request.request_id, level=level, gpu_ms_saved=spent.gpu_ms))
        return replace(picture, receipt=Receipt(variant=spent.variant, steps=spent.steps, cache=level))
