"""The use case, through ports: look up, generate, remember, and account for every picture."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from app.cache.exact import ExactCache
from app.cache_levels import CacheLimit
from app.config import RoutingSettings
from app.errors import (
    DarkroomError,
    GenerationFailedError,
    JobCancelledError,
    OverloadedError,
    ReplicaLostError,
    StartTimeoutError,
)
from app.generation import (
    Generation,
    GenerationRequest,
    Job,
    JobEvent,
    JobStarted,
    JobStep,
    Picture,
    Tier,
    Webhook,
    job_id_of,
)
from app.pictures import Generator, Listener, PictureSource
from app.requests import QueuedRequests
from app.storage.jobs import JobStore, Once, RequestView
from app.telemetry.events import Observer, RequestCompleted, RequestReceived, ignore

__all__ = ["DarkroomService", "Generator"]

logger = logging.getLogger(__name__)

SEEDS = 2**32
LOST_REPLICA_PAUSE_S = 1.0


class DarkroomService:
    """Everything a dialect can ask for: pictures now, pictures step by step, pictures later."""

    def __init__(
        self,
        *,
        generator: Generator,
        cache: ExactCache,
        jobs: JobStore,
        routing: RoutingSettings,
        revision: Callable[[str], str],
        cache_limit: CacheLimit = CacheLimit.CANONICAL,
        observe: Observer = ignore,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lease_s: float = 10.0,
        max_attempts: int = 5,
    ) -> None:
        self._routing = routing
        self._observe = observe
        self._clock = clock
        self._sleep = sleep
        self._pictures = PictureSource(
            generator=generator, cache=cache, revision=revision, observe=observe, limit=cache_limit
        )
        self._max_attempts = max_attempts
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
        return await self._perform(request, _ignore)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[JobStep | Generation, None]:
        """Every denoising step as it happens, the Generation last; closing the iteration early stops the work.

        A request that shares the work of an identical one under way sees the steps that one asked for.
        """
        news: asyncio.Queue[JobEvent | None] = asyncio.Queue()
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

    async def submit(self, request: GenerationRequest, *, once: Once | None = None) -> RequestView:
        """Acknowledge the request and work on it in the background; while there is no room for it, it waits.

        With `once`, an earlier request with the same key is shown instead; raises RepeatedKeyError when that one
        was another.
        """
        return await self._queued.submit(replace(request, report_steps=True), once=once)

    async def record_failure(
        self,
        request_id: str,
        endpoint: str,
        error: DarkroomError,
        *,
        once: Once | None = None,
        webhook: Webhook | None = None,
    ) -> RequestView:
        """Keep a queued request that was refused at validation: complete, with its error."""
        return await self._queued.record_failure(request_id, endpoint, error, once=once, webhook=webhook)

    async def status(self, request_id: str) -> RequestView:
        """A queued request as it stands, from memory; raises UnknownRequestError."""
        return await self._queued.status(request_id)

    def watch(self, request_id: str) -> AsyncGenerator[RequestView, None]:
        """The view now and at every change, the completed one last; raises UnknownRequestError."""
        return self._queued.watch(request_id)

    async def result(self, request_id: str) -> Generation:
        """The answer; raises NotReadyError, UnknownRequestError, or the request's own error."""
        return await self._queued.result(request_id)

    async def cancel(self, request_id: str) -> None:
        """Complete a queued request with JobCancelledError; raises AlreadyCompletedError, UnknownRequestError."""
        await self._queued.cancel(request_id)

    def waiting(self, endpoint: str) -> int:
        """How many queued requests of the endpoint have not started yet."""
        return self._queued.waiting(endpoint)

    async def close(self) -> None:
        """Stop all work; queued requests are left to other processes, or to the next start."""
        await self._queued.close()
        await self._pictures.close()

    async def _perform(self, request: GenerationRequest, listen: Listener) -> Generation:
        return await self._accounted(request, partial(self._generate, request, listen), self._clock())

    async def _perform_patiently(self, request: GenerationRequest, listen: Listener, submitted_s: float) -> Generation:
        return await self._accounted(request, partial(self._generate_in_the_end, request, listen), submitted_s)

    async def _accounted(
        self, request: GenerationRequest, work: Callable[[float], Awaitable[Generation]], arrival_s: float
    ) -> Generation:
        self._observe(
            RequestReceived(
                request_id=request.request_id, endpoint=request.endpoint, tier=request.tier.value, at_s=arrival_s
            )
        )
        error_type = JobCancelledError.error_type
        try:
            generation = await work(arrival_s)
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
                    pictures=0 if error_type else request.num_images,
                    error_type=error_type,
                )
            )
        return generation

    async def _generate_in_the_end(self, request: GenerationRequest, listen: Listener, arrival_s: float) -> Generation:
        """Again, with the same seeds, when a process on the way is lost: nobody is there to ask a second time."""
        for attempt in range(1, self._max_attempts):
            try:
                return await self._generate_when_there_is_room(request, listen, arrival_s)
            except ReplicaLostError as error:
                logger.warning("request %s lost a replica, attempt %d: %s", request.request_id, attempt, error)
                await self._sleep(attempt * LOST_REPLICA_PAUSE_S)
        return await self._generate_when_there_is_room(request, listen, arrival_s)

    async def _generate_when_there_is_room(
        self, request: GenerationRequest, listen: Listener, arrival_s: float
    ) -> Generation:
        give_up_s = math.inf if request.start_timeout_s is None else arrival_s + request.start_timeout_s
        while True:
            try:
                return await self._generate(request, listen, arrival_s)
            except OverloadedError as error:
                left_s = give_up_s - self._clock()
                if left_s <= 0:
                    raise StartTimeoutError("there was no room for the request in the time allowed") from error
                await self._sleep(min(error.retry_after_s, left_s))

    async def _generate(self, request: GenerationRequest, listen: Listener, arrival_s: float) -> Generation:
        starts: list[float] = []

        def hear(event: JobEvent) -> None:
            if isinstance(event, JobStarted):
                starts.append(self._clock())
            listen(event)

        jobs = expand(request, arrival_s=arrival_s, objective_s=self._objective_s(request.tier))
        pictures = await _all_or_none([self._pictures.get(request, job, hear) for job in jobs])
        return Generation(
            request_id=request.request_id,
            prompt=request.spec.prompt,
            seed=request.spec.seed if pictures[0].seed is None else pictures[0].seed,
            pictures=pictures,
            inference_s=self._clock() - starts[0] if starts else 0.0,
            inline=request.inline,
        )

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
        )
        for index, job_id in enumerate(_job_ids(request))
    )


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
