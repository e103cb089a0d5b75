"""Queued requests: acknowledged at once, worked on in the background, watched until they are complete."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from app.errors import AlreadyCompletedError, DarkroomError, JobCancelledError, NotReadyError
from app.generation import Generation, GenerationRequest, JobEvent, JobStarted, JobStep, job_id_of
from app.storage.jobs import JobStore, LogLine, RequestState, RequestView

logger = logging.getLogger(__name__)

REFRESH_S = 0.25
REFRESH_SHARE = 0.1

Perform = Callable[[GenerationRequest, Callable[[JobEvent], None]], Awaitable[Generation]]


class _LiveRequest:
    """A request that this process works on; `changed` is set when `view` is replaced."""

    def __init__(self, request: GenerationRequest, view: RequestView) -> None:
        self.request = request
        self.view = view
        self.changed = asyncio.Event()
        self.started_s: float | None = None
        self.task: asyncio.Task[None]

    def show(self, view: RequestView) -> None:
        self.view = view
        self.changed.set()
        self.changed = asyncio.Event()


class QueuedRequests:
    """Runs queued requests with `perform` and answers for them from memory.

    The store keeps what was acknowledged and what came of it; the steps between live here.
    `queued_ahead` is asked every REFRESH_S seconds about each waiting request, or less often,
    so that it takes no more than REFRESH_SHARE of the time; None leaves the last answer in place.
    """

    def __init__(
        self,
        *,
        perform: Perform,
        queued_ahead: Callable[[GenerationRequest], Awaitable[int | None]],
        store: JobStore,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._perform = perform
        self._queued_ahead = queued_ahead
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._live: dict[str, _LiveRequest] = {}
        self._refreshing: asyncio.Task[None] | None = None

    async def submit(self, request: GenerationRequest) -> RequestView:
        """Begin to work on the request once the store has it."""
        view = RequestView(
            request_id=request.request_id,
            endpoint=request.endpoint,
            queue_position=self.waiting(request.endpoint),
            logs=(self._line("queued"),),
        )
        await self._store.put(view)
        live = self._live[request.request_id] = _LiveRequest(request, view)
        live.task = asyncio.create_task(self._work(live))
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())
        return view

    async def record_failure(self, request_id: str, endpoint: str, error: DarkroomError) -> RequestView:
        """Keep a request that was refused before any work: complete, with its error."""
        view = RequestView(
            request_id=request_id,
            endpoint=endpoint,
            state=RequestState.COMPLETED,
            logs=(self._line(error.detail),),
            error=error,
        )
        await self._store.put(view)
        return view

    async def status(self, request_id: str) -> RequestView:
        """The latest view; raises UnknownRequestError."""
        live = self._live.get(request_id)
        return live.view if live is not None else await self._store.get(request_id)

    async def watch(self, request_id: str) -> AsyncGenerator[RequestView, None]:
        """The view now and at every change, the completed one last; a slow reader misses some between."""
        live = self._live.get(request_id)
        if live is None:
            yield await self._store.get(request_id)
            return
        while True:
            view, changed = live.view, live.changed
            yield view
            if view.is_completed:
                return
            await changed.wait()

    async def result(self, request_id: str) -> Generation:
        """The answer; raises NotReadyError, UnknownRequestError, or the request's own error."""
        view = await self.status(request_id)
        if view.error is not None:
            raise view.error.with_traceback(None)
        if view.generation is None:
            raise NotReadyError("Request is still in progress")
        return view.generation

    async def cancel(self, request_id: str) -> None:
        """Complete the request with JobCancelledError; raises AlreadyCompletedError, UnknownRequestError."""
        live = self._live.get(request_id)
        if live is None or live.view.is_completed:
            await self._store.get(request_id)
            raise AlreadyCompletedError("Request is already completed")
        live.task.cancel()
        await self._complete(live, "cancelled", error=JobCancelledError("Request was cancelled"))

    def waiting(self, endpoint: str) -> int:
        """How many requests of the endpoint have not started yet."""
        return sum(1 for live in self._queued() if live.view.endpoint == endpoint)

    async def close(self) -> None:
        """Stop working; what was under way is never completed."""
        tasks = [live.task for live in self._live.values()]
        if self._refreshing is not None:
            tasks.append(self._refreshing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, live: _LiveRequest) -> None:
        try:
            generation = await self._perform(live.request, lambda event: self._hear(live, event))
        except DarkroomError as error:
            await self._complete(live, f"failed: {error.detail}", error=error)
        else:
            await self._complete(live, "completed", generation=generation, inference_s=generation.inference_s)

    def _hear(self, live: _LiveRequest, event: JobEvent) -> None:
        if isinstance(event, JobStarted) and live.started_s is None:
            live.started_s = self._clock()
            self._change(live, "started", state=RequestState.RUNNING, queue_position=None)
        elif isinstance(event, JobStep):
            self._change(live, _step_message(live.request, event))

    def _change(self, live: _LiveRequest, message: str, **changes: Any) -> None:
        if not live.view.is_completed:
            live.show(replace(live.view, logs=(*live.view.logs, self._line(message)), **changes))

    async def _complete(self, live: _LiveRequest, message: str, **outcome: Any) -> None:
        if live.started_s is not None:
            outcome.setdefault("inference_s", self._clock() - live.started_s)
        self._change(live, message, state=RequestState.COMPLETED, queue_position=None, **outcome)
        await self._store.put(live.view)
        del self._live[live.view.request_id]

    def _queued(self) -> list[_LiveRequest]:
        return [live for live in self._live.values() if live.view.state is RequestState.QUEUED]

    async def _refresh(self) -> None:
        pause_s = REFRESH_S
        while self._queued():
            await self._sleep(pause_s)
            began_s = self._clock()
            for live in self._queued():
                await self._refresh_one(live)
            pause_s = max(REFRESH_S, (self._clock() - began_s) / REFRESH_SHARE)

    async def _refresh_one(self, live: _LiveRequest) -> None:
        try:
            ahead = await self._queued_ahead(live.request)
        except Exception:
            logger.warning("request %s: its place in the queue is unknown", live.view.request_id, exc_info=True)
            return
        if live.view.state is RequestState.QUEUED and ahead not in (None, live.view.queue_position):
            live.show(replace(live.view, queue_position=ahead))

    def _line(self, message: str) -> LogLine:
        return LogLine(message, self._clock())


def _step_message(request: GenerationRequest, event: JobStep) -> str:
    step = f"step {event.step}/{event.steps}"
    if request.num_images == 1:
        return step
    number = 1 + [job_id_of(request.request_id, index) for index in range(request.num_images)].index(event.job_id)
    return f"picture {number}/{request.num_images}: {step}"
