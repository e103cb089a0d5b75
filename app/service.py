"""The use case, through ports: look up, generate, remember, and account for every picture."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from app.cache.levels import PictureLevels
from app.cache.similar.ports import SimilarPictures
from app.cache_levels import CacheLimit
from app.compound import CompoundRequest, CompoundResult, QueuedRequest
from app.config import RoutingSettings
from app.errors import (
    DarkroomError,
    GenerationFailedError,
    JobCancelledError,
)
from app.generation import (
    LOCAL_TENANT,
    Generation,
    GenerationRequest,
    Job,
    JobEvent,
    JobStarted,
    JobStep,
    Picture,
    Tier,
    job_id_of,
)
from app.handling import Webhook
from app.pictures import Generator, Listener, PictureSource
from app.requests import Director, Directors, Heard, Patience, QueuedRequests
from app.storage.jobs import JobStore, Once, RequestView
from app.telemetry.events import Observer, RequestCompleted, RequestReceived, ignore
from app.tenants.admission import Admission, Everybody

__all__ = ["DarkroomService", "Generator"]

logger = logging.getLogger(__name__)

SEEDS = 2**32

Answer = TypeVar("Answer", Generation, CompoundResult)


class DarkroomService:
    """Everything a dialect can ask for: pictures now, pictures step by step, pictures later."""

    def __init__(
        self,
        *,
        generator: Generator,
        cache: PictureLevels,
        similar: SimilarPictures | None = None,
        jobs: JobStore,
        routing: RoutingSettings,
        revision: Callable[[str], str],
        cache_limit: CacheLimit = CacheLimit.CANONICAL,
        admission: Admission | None = None,
        observe: Observer = ignore,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lease_s: float = 10.0,
        max_attempts: int = 5,
    ) -> None:
        self._routing = routing
        self._admission = admission or Everybody()
        self._observe = observe
        self._clock = clock
        self._directors = Directors(clock=clock)
        self._patience = Patience(max_attempts=max_attempts, clock=clock, sleep=sleep)
        self._pictures = PictureSource(
            generator=generator,
            cache=cache,
            revision=revision,
            observe=observe,
            limit=cache_limit,
            similar=similar,
        )
        self._queued = QueuedRequests(
            perform=self._perform_patiently,
            objective_s=self._objective_s,
            store=jobs,
            clock=clock,
            sleep=sleep,
            lease_s=lease_s,
            max_attempts=max_attempts,
        )

    async def start(self) -> None:
        """Open the job store and go on with what was acknowledged before.

        Raises ConfigurationError, StoreUnavailableError.
        """
        await self._queued.start()

    def reconfigure(self, routing: RoutingSettings) -> None:
        """Apply new objectives to the requests that arrive from now on."""
        self._routing = routing

    async def generate(self, request: GenerationRequest) -> Generation:
        """All pictures of the request; raises the error of the first one that fails.

        Cancelling this call stops the work.
        """
        async with self._admission.direct(request.tenant):
            return await self._perform(request, _ignore)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[JobStep | Generation, None]:
        """Every denoising step as it happens, the Generation last; closing the iteration early stops the work.

        A request that shares the work of an identical one under way sees the steps that one asked for.
        """
        news: asyncio.Queue[JobEvent | None] = asyncio.Queue()
        async with self._admission.direct(request.tenant):
            task = asyncio.create_task(self._perform(replace(request, report_steps=True), news.put_nowait))
            task.add_done_callback(lambda _: news.put_nowait(None))
            try:
                while (event := await news.get()) is not None:
                    if isinstance(event, JobStep):
                        yield event
                yield await task
            finally:
                task.cancel()
                await asyncio.wait({task})

    def direct(self, kind: str, director: Director) -> None:
        """Let queued requests of the kind, which are made of others, be directed so."""
        self._directors.add(kind, director)

    async def submit(self, request: QueuedRequest, *, once: Once | None = None) -> RequestView:
        """Acknowledge the request and work on it in the background; while there is no room for it, it waits.

        With `once`, an earlier request with the same key is shown instead; raises RepeatedKeyError when that one
        was another.
        """
        await self._admission.queued(request.tenant)
        asked = replace(request, report_steps=True) if isinstance(request, GenerationRequest) else request
        return await self._queued.submit(asked, once=once)

    async def record_failure(
        self,
        request_id: str,
        endpoint: str,
        error: DarkroomError,
        *,
        once: Once | None = None,
        webhook: Webhook | None = None,
        tenant: str = LOCAL_TENANT,
    ) -> RequestView:
        """Keep a queued request that was refused at validation: complete, with its error."""
        await self._admission.queued(tenant)
        return await self._queued.record_failure(request_id, endpoint, error, once=once, webhook=webhook, tenant=tenant)

    async def status(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> RequestView:
        """A queued request as it stands, from memory; raises UnknownRequestError, also for another tenant's."""
        return await self._queued.status(request_id, tenant=tenant)

    def watch(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> AsyncGenerator[RequestView, None]:
        """The view now and at every change, the completed one last; raises UnknownRequestError."""
        return self._queued.watch(request_id, tenant=tenant)

    async def result(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> Generation | CompoundResult:
        """The answer; raises NotReadyError, UnknownRequestError, or the request's own error."""
        return await self._queued.result(request_id, tenant=tenant)

    async def cancel(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> None:
        """Complete a queued request with JobCancelledError; raises AlreadyCompletedError, UnknownRequestError."""
        await self._queued.cancel(request_id, tenant=tenant)

    def waiting(self, endpoint: str) -> int:
        """How many queued requests of the endpoint have not started yet."""
        return self._queued.waiting(endpoint)

    async def close(self) -> None:
        """Stop all work; queued requests are left to other processes, or to the next start."""
        await self._queued.close()
        await self._pictures.close()

    async def _perform(self, request: GenerationRequest, listen: Listener) -> Generation:
        return await self._accounted(request, partial(self._generate, request, listen), self._clock())

    async def _perform_patiently(
        self, request: QueuedRequest, listen: Callable[[Heard], None], submitted_s: float
    ) -> Generation | CompoundResult:
        if isinstance(request, CompoundRequest):
            return await self._accounted(request, partial(self._directors.perform, request, listen), submitted_s)
        work = partial(self._patience.perform, request, partial(self._generate, request, listen))
        return await self._accounted(request, work, submitted_s)

    async def _accounted(
        self, request: QueuedRequest, work: Callable[[float], Awaitable[Answer]], arrival_s: float
    ) -> Answer:
        self._observe(
            RequestReceived(
                request_id=request.request_id, endpoint=request.endpoint, tier=request.tier.value, at_s=arrival_s
            )
        )
        error_type = JobCancelledError.error_type
        try:
            answer = await work(arrival_s)
            error_type = ""
        except DarkroomError as error:
            error_type = error.error_type
            raise
        except Exception as error:
            error_type = GenerationFailedError.error_type
            logger.exception("request %s failed", request.request_id)
            raise GenerationFailedError("the picture could not be made") from error
        finally:
            self._observe(
                RequestCompleted(
                    request_id=request.request_id,
                    endpoint=request.endpoint,
                    started_s=arrival_s,
                    ended_s=self._clock(),
                    pictures=0 if error_type else _pictures_of(request),
                    error_type=error_type,
                )
            )
        return answer

    async def _generate(self, request: GenerationRequest, listen: Listener, arrival_s: float) -> Generation:
        starts: list[float] = []

        def hear(event: JobEvent) -> None:
            if isinstance(event, JobStarted):
                starts.append(self._clock())
            listen(event)

        jobs = expand(request, arrival_s=arrival_s, objective_s=self._objective_s(request.tier))
        pictures = await _all_or_none([self._pictures.get(request, job, hear) for job in jobs])
        self._admission.made(request.tenant, pictures)
        return Generation(
            request_id=request.request_id,
            prompt=request.spec.prompt,
            seed=request.spec.seed if pictures[0].seed is None else pictures[0].seed,
            pictures=pictures,
            inference_s=self._clock() - starts[0] if starts else 0.0,
            inline=request.inline,
            expires_s=self._end_of(request),
        )

    def _end_of(self, request: GenerationRequest) -> float | None:
        lifetime_s = request.handling.output_lifetime_s
        return None if lifetime_s is None else self._clock() + lifetime_s

    def _objective_s(self, tier: Tier) -> float:
        return self._routing.objective_s[tier.value]


def expand(request: GenerationRequest, *, arrival_s: float, objective_s: float) -> tuple[Job, ...]:
    """One job per picture; seeds count up from the request's own and start again at zero after 2**32 - 1."""
    timeout_s = request.start_timeout_s
    return tuple(
        Job(
            job_id=job_id,
            spec=replace(request.spec, seed=(request.spec.seed + index) % SEEDS),
            tier=request.tier,
            arrival_s=arrival_s,
            deadline_s=arrival_s + objective_s,
            start_by_s=None if timeout_s is None else arrival_s + timeout_s,
            report_steps=request.report_steps,
            previews=request.previews,
            file_salt=request.file_salt,
            handling=request.handling,
        )
        for index, job_id in enumerate(_job_ids(request))
    )


def _pictures_of(request: QueuedRequest) -> int:
    """Those of its own: what a request is made of counts by itself."""
    return request.num_images if isinstance(request, GenerationRequest) else 0


def _job_ids(request: GenerationRequest) -> tuple[str, ...]:
    return tuple(job_id_of(request.request_id, index) for index in range(request.num_images))


async def _all_or_none(pictures: list[Coroutine[Any, Any, Picture]]) -> tuple[Picture, ...]:
    if len(pictures) == 1:
        return (await pictures[0],)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(picture) for picture in pictures]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return tuple(task.result() for task in tasks)


def _ignore(event: JobEvent) -> None:
    """What becomes of the events of a caller who waits for the answer alone."""
