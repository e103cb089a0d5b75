"""One picture, at the least cost: remembered, shared with an identical one under way, or made."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from app.background import BackgroundTasks
from app.cache.call_guard import CallGuard
from app.cache.levels import PictureLevels
from app.cache.lookup import CachePlan, CachePlanner
from app.cache.similar.ports import Found, SimilarPictures
from app.cache.similar.racing import unless_found
from app.cache.single_flight import SingleFlight
from app.cache_levels import CacheLevel, CacheLimit
from app.errors import GenerationFailedError
from app.generation import GenerationRequest, Job, JobEvent, JobFinished, Picture, Receipt
from app.telemetry.events import CacheLookedUp, Observer

Listener = Callable[[JobEvent], None]

# A search that takes longer has lost its race in nearly all cases.
SIMILAR_TIMEOUT_S = 5.0
# Nobody waits for this; a queue in front of the judge may be long.
TELLING_TIMEOUT_S = 60.0


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

    No request is answered from further than `limit`; `similar` is asked while the generator is at work, and what it
    finds ends that work. Where it is slow or broken, nobody is answered later for it.
    """

    def __init__(
        self,
        *,
        generator: Generator,
        cache: PictureLevels,
        revision: Callable[[str], str],
        observe: Observer,
        limit: CacheLimit = CacheLimit.CANONICAL,
        similar: SimilarPictures | None = None,
    ) -> None:
        self._generator = generator
        self._levels = cache
        self._planner = CachePlanner(cache=cache.memory, revision=revision, limit=limit)
        self._observe = observe
        self._similar = similar
        self._asking = CallGuard("similar prompts", timeout_s=SIMILAR_TIMEOUT_S)
        self._telling = CallGuard("new entries for similar prompts", timeout_s=TELLING_TIMEOUT_S)
        self._flights = SingleFlight[JobEvent, JobFinished]()
        self._behind = BackgroundTasks()

    async def get(self, request: GenerationRequest, job: Job, listen: Listener) -> Picture:
        """The job's picture; `listen` hears JobStarted and JobStep of the work that makes it.

        Work is shared among requests of one tenant, tier and start timeout, so that none is
        served later than alone; a request that joins sees the steps that the first one asked
        for. Cancelling this call cancels the work, unless another request waits for it too.
        """
        plan = self._planner.plan(request, job)
        remembered = await self._levels.find(plan.readable, origin=plan.origin, asker=request.caller)
        if remembered is not None:
            return self._free_of_charge(request, *remembered)
        finished = await self._make(request, job, plan, listen)
        if finished.picture.receipt.similar is not None:
            return self._free_of_charge(request, finished.picture, CacheLevel.SIMILAR)
        if finished.job_id != job.job_id:
            self._levels.note(plan.readable, origin=plan.origin, asker=request.caller)
            return self._free_of_charge(request, finished.picture, CacheLevel.JOINED)
        self._observe(CacheLookedUp(request_id=request.request_id, level=CacheLevel.NONE))
        return finished.picture

    async def close(self) -> None:
        """Cancel all work under way."""
        await self._flights.close()
        await self._behind.close()
        await self._asking.close()
        await self._telling.close()
        await self._levels.close()

    async def _make(self, request: GenerationRequest, job: Job, plan: CachePlan, listen: Listener) -> JobFinished:
        return await self._flights.do(
            (plan.shared_as, request.tier, request.start_timeout_s),
            work=partial(self._draw, request, plan, job),
            listen=lambda event: listen(replace(event, job_id=job.job_id)),
        )

    async def _draw(self, request: GenerationRequest, plan: CachePlan, job: Job, report: Listener) -> JobFinished:
        try:
            async with aclosing(self._events(plan, job)) as events:
                async for event in events:
                    if isinstance(event, Found):
                        self._behind.start(self._stop(job))
                        return self._answered(plan, job, event)
                    if isinstance(event, JobFinished):
                        return self._drawn(request, plan, job, event)
                    report(event)
        except asyncio.CancelledError:
            await self._generator.cancel(job.job_id)
            raise
        raise GenerationFailedError("the picture was not finished")

    async def _stop(self, job: Job) -> None:
        await self._generator.cancel(job.job_id)

    async def _events(self, plan: CachePlan, job: Job) -> AsyncGenerator[JobEvent | Found, None]:
        drawing = self._generator.run(job)
        search = self._search(plan)
        async for event in drawing if search is None else unless_found(drawing, search):
            yield event

    def _search(self, plan: CachePlan) -> asyncio.Task[Found | None] | None:
        if self._similar is None or plan.question is None:
            return None
        return self._behind.start(self._asking.ask(partial(self._similar.find, plan.question), otherwise=None))

    def _drawn(self, request: GenerationRequest, plan: CachePlan, job: Job, event: JobFinished) -> JobFinished:
        picture = replace(event.picture, seed=job.spec.seed)
        self._levels.put(
            plan.written, picture, origin=plan.origin, asker=request.caller, outlives_process=not request.ephemeral
        )
        if self._similar is not None and plan.question is not None:
            self._tell(partial(self._similar.add, plan.question, picture))
        return replace(event, picture=picture)

    def _answered(self, plan: CachePlan, job: Job, found: Found) -> JobFinished:
        """The picture of a similar prompt: the answer to this request, and remembered for no other."""
        if self._similar is not None and plan.question is not None:
            self._tell(partial(self._similar.taken, plan.question, found))
        receipt = replace(found.picture.receipt, similar=found.evidence)
        return JobFinished(job_id=job.job_id, picture=replace(found.picture, receipt=receipt))

    def _tell(self, news: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._behind.start(self._telling.ask(news, otherwise=None))

    def _free_of_charge(self, request: GenerationRequest, picture: Picture, level: CacheLevel) -> Picture:
        spent = picture.receipt
        self._observe(CacheLookedUp(request_id=request.request_id, level=level, gpu_ms_saved=spent.gpu_ms))
        receipt = Receipt(variant=spent.variant, steps=spent.steps, cache=level, similar=spent.similar)
        return replace(picture, receipt=receipt)
