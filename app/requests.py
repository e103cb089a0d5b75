"""Queued requests: acknowledged at once, worked on in the background, watched until they are complete."""

import asyncio
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from app.errors import AlreadyCompletedError, DarkroomError, JobCancelledError, NotReadyError
from app.generation import Generation, GenerationRequest, JobEvent, JobStarted, JobStep, Tier, job_id_of
from app.storage.jobs import JobStore, LogLine, RequestState, RequestView

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


class WaitingOrder:
    """Requests that wait, most urgent first, each variant's apart: what the router's queues do to them."""

    def __init__(self) -> None:
        self._by_variant: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
        self._places: dict[str, tuple[str, tuple[float, int, str]]] = {}
        self._added = 0

    def add(self, request_id: str, *, variant: str, deadline_s: float) -> None:
        """Let a request wait behind those with an earlier or the same deadline."""
        place = (deadline_s, self._added, request_id)
        self._added += 1
        self._places[request_id] = (variant, place)
        insort(self._by_variant[variant], place)

    def remove(self, request_id: str) -> bool:
        """Take a request out; false when it does not wait."""
        if request_id not in self._places:
            return False
        variant, place = self._places.pop(request_id)
        waiting = self._by_variant[variant]
        del waiting[bisect_left(waiting, place)]
        return True

    def position(self, request_id: str) -> int | None:
        """How many requests are served before this one; None when it does not wait."""
        if request_id not in self._places:
            return None
        variant, place = self._places[request_id]
        return bisect_left(self._by_variant[variant], place)


class QueuedRequests:
    """Runs queued requests with `perform` and answers for them from memory.

    The store keeps what was acknowledged and what came of it; the steps between live here.
    A place in the queue counts the requests that this process took in.
    """

    def __init__(
        self,
        *,
        perform: Perform,
        objective_s: Callable[[Tier], float],
        store: JobStore,
        clock: Callable[[], float],
    ) -> None:
        self._perform = perform
        self._objective_s = objective_s
        self._store = store
        self._clock = clock
        self._live: dict[str, _LiveRequest] = {}
        self._order = WaitingOrder()

    async def submit(self, request: GenerationRequest) -> RequestView:
        """Begin to work on the request once the store has it."""
        view = RequestView(
            request_id=request.request_id,
            endpoint=request.endpoint,
            logs=(self._line("queued"),),
        )
        await self._store.put(view)
        live = self._live[request.request_id] = _LiveRequest(request, view)
        deadline_s = self._clock() + self._objective_s(request.tier)
        self._order.add(request.request_id, variant=request.spec.variant, deadline_s=deadline_s)
        live.task = asyncio.create_task(self._work(live))
        return self._placed(view)

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
        return self._placed(live.view) if live is not None else await self._store.get(request_id)

    async def watch(self, request_id: str) -> AsyncGenerator[RequestView, None]:
        """The view now and at every change, the completed one last; a slow reader misses some between."""
        live = self._live.get(request_id)
        if live is None:
            yield await self._store.get(request_id)
            return
        while True:
            view, changed = live.view, live.changed
            yield self._placed(view)
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
        return sum(live.view.endpoint == endpoint for live in self._queued())

    async def close(self) -> None:
        """Stop working; what was under way is never completed."""
        tasks = [live.task for live in self._live.values()]
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
            self._change(live, "started", state=RequestState.RUNNING)
            self._move_up(live)
        elif isinstance(event, JobStep):
            self._change(live, _step_message(live.request, event))

    def _change(self, live: _LiveRequest, message: str, **changes: Any) -> None:
        if not live.view.is_completed:
            live.show(replace(live.view, logs=(*live.view.logs, self._line(message)), **changes))

    async def _complete(self, live: _LiveRequest, message: str, **outcome: Any) -> None:
        if live.started_s is not None:
            outcome.setdefault("inference_s", self._clock() - live.started_s)
        self._change(live, message, state=RequestState.COMPLETED, **outcome)
        self._move_up(live)
        await self._store.put(live.view)
        del self._live[live.view.request_id]

    def _queued(self) -> list[_LiveRequest]:
        return [live for live in self._live.values() if live.view.state is RequestState.QUEUED]

    def _placed(self, view: RequestView) -> RequestView:
        return replace(view, queue_position=self._order.position(view.request_id))

    def _move_up(self, started: _LiveRequest) -> None:
        """Those behind a request that waits no longer have a new place, which their watchers are told."""
        if self._order.remove(started.request.request_id):
            for live in self._queued():
                live.show(live.view)

    def _line(self, message: str) -> LogLine:
        return LogLine(message, self._clock())


def _step_message(request: GenerationRequest, event: JobStep) -> str:
    step = f"step {event.step}/{event.steps}"
    if request.num_images == 1:
        return step
    number = 1 + [job_id_of(request.request_id, index) for index in range(request.num_images)].index(event.job_id)
    return f"picture {number}/{request.num_images}: {step}"
