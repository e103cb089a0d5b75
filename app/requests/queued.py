"""The queued requests of this process, and answers about everybody's."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from app.compound import CompoundResult, Noted, QueuedRequest, queue_of
from app.errors import (
    AlreadyCompletedError,
    DarkroomError,
    GenerationFailedError,
    JobCancelledError,
    LeaseLostError,
    NotReadyError,
    StoreUnavailableError,
    UnknownRequestError,
)
from app.generation import LOCAL_TENANT, Generation, JobEvent, JobStarted, JobStep, Tier
from app.handling import Webhook
from app.requests.live import LiveRequest, ended, step_message
from app.requests.patience import may_begin_again
from app.requests.upkeep import Upkeep, if_reachable
from app.requests.waiting_order import WaitingOrder
from app.requests.webhooks import messages_of, webhook_messages
from app.storage.jobs import Claim, JobStore, LogLine, NewRequest, Once, RequestState, RequestView, Standing

logger = logging.getLogger(__name__)

CLAIMS_AT_ONCE = 100
STORE_PAUSE_S = 1.0

Heard = JobEvent | Noted
Perform = Callable[[QueuedRequest, Callable[[Heard], None], float], Awaitable[Generation | CompoundResult]]


class QueuedRequests:
    """Runs queued requests with `perform` and answers for them from memory, for those of other processes by the store.

    `perform` hears the epoch seconds of the submission. What a dead process had acknowledged is
    run again: the fixed seed makes the same pictures, and the first completion counts. With it the
    message for the request's webhook is kept. A place in the queue counts the requests that this
    process took in.
    """

    def __init__(
        self,
        *,
        perform: Perform,
        objective_s: Callable[[Tier], float],
        store: JobStore,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        lease_s: float = 10.0,
        max_attempts: int = 5,
    ) -> None:
        self._perform = perform
        self._objective_s = objective_s
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._max_attempts = max_attempts
        self._live: dict[str, LiveRequest] = {}
        self._watched: Counter[str] = Counter()
        self._arriving: set[str] = set()
        self._unpublished: dict[str, LiveRequest] = {}
        self._order = WaitingOrder()
        self._upkeep = Upkeep(tend=self._tend, publish=self._publish, interval_s=lease_s / 3, sleep=sleep)

    async def start(self) -> None:
        """Open the store and take over what dead processes left; raises ConfigurationError, StoreUnavailableError."""
        await self._store.open()
        self._store.listen(self._overhear)
        await self._upkeep.start()

    async def close(self) -> None:
        """Stop working; what was under way is left to others, or to the next start."""
        await self._upkeep.stop()
        unfinished = list(self._live.values())
        for live in unfinished:
            live.task.cancel()
        await asyncio.gather(*(live.task for live in unfinished), return_exceptions=True)
        self._live.clear()
        await if_reachable(lambda: self._store.release([live.lease for live in unfinished]))
        await self._store.close()

    async def submit(self, request: QueuedRequest, *, once: Once | None = None) -> RequestView:
        """Begin to work on the request once the store has it; an earlier one when it came with the same key.

        Raises RepeatedKeyError, StoreUnavailableError.
        """
        now_s = self._clock()
        view = self._view(request.request_id, request.endpoint, "queued", tenant=request.tenant)
        view = replace(view, tags=request.handling.tags)
        deadline_s = now_s + self._objective_s(request.tier)
        new = NewRequest(view=view, request=request, submitted_s=now_s, deadline_s=deadline_s, once=once)
        self._arriving.add(request.request_id)
        try:
            kept = await self._store.submit(new)
            if kept.lease is None:
                return await self.status(kept.view.request_id, tenant=request.tenant)
            self._begin(LiveRequest(request, lease=kept.lease, view=view, submitted_s=now_s))
        finally:
            self._arriving.discard(request.request_id)
        return self._placed(view)

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
        """Keep a request that was refused before any work: complete, with its error."""
        queued = self._view(request_id, endpoint, error.detail, tenant=tenant)
        view = replace(queued, state=RequestState.COMPLETED, error=error)
        now_s = self._clock()
        messages = webhook_messages(webhook, view)
        new = NewRequest(view=view, request=None, submitted_s=now_s, deadline_s=now_s, once=once, messages=messages)
        return (await self._store.submit(new)).view

    async def status(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> RequestView:
        """The latest view; raises UnknownRequestError, also for another tenant's request, by the same look-ups."""
        live = self._live_of(request_id, tenant)
        return self._placed(live.view) if live is not None else await self._store.get(request_id, tenant=tenant)

    async def watch(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> AsyncGenerator[RequestView, None]:
        """The view now and at every change, the completed one last; a slow reader misses some between."""
        live = self._live_of(request_id, tenant)
        if live is not None:
            self._watched[request_id] += 1
            try:
                async for view in live.views():
                    yield self._placed(view)
            finally:
                self._watched -= Counter({request_id: 1})
            if live.view.is_completed:
                return
        async for view in self._store.watch(request_id, tenant=tenant):
            yield view

    async def result(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> Generation | CompoundResult:
        """The answer; raises NotReadyError, UnknownRequestError, or the request's own error."""
        view = await self.status(request_id, tenant=tenant)
        if view.error is not None:
            raise view.error.with_traceback(None)
        if view.generation is None:
            raise NotReadyError("Request is still in progress")
        return view.generation

    async def cancel(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> None:
        """Complete the request with JobCancelledError; raises AlreadyCompletedError, UnknownRequestError."""
        try:
            await self._cancel(await self._store.standing(request_id, tenant=tenant))
        except LeaseLostError:
            await self.cancel(request_id, tenant=tenant)

    def waiting(self, endpoint: str) -> int:
        """How many requests of the endpoint have not started yet."""
        return sum(live.view.endpoint == endpoint for live in self._queued())

    async def _cancel(self, kept: Standing) -> None:
        live = self._live.get(kept.lease.request_id)
        seen = kept.view if live is None else live.view
        view = ended(seen, self._line("cancelled"), error=JobCancelledError("Request was cancelled"))
        won = await self._store.complete(kept.lease, view, messages=messages_of(kept.request, view))
        if live is not None:
            live.task.cancel()
            self._conclude(live, won)
        if won is not view:
            raise AlreadyCompletedError("Request is already completed")

    def _begin(self, live: LiveRequest) -> None:
        self._live[live.request.request_id] = live
        if live.is_waiting:
            deadline_s = live.submitted_s + self._objective_s(live.request.tier)
            self._order.add(live.request.request_id, variant=queue_of(live.request), deadline_s=deadline_s)
        live.task = asyncio.create_task(self._work(live))

    async def _work(self, live: LiveRequest) -> None:
        try:
            generation = await self._perform(live.request, lambda event: self._hear(live, event), live.submitted_s)
        except DarkroomError as error:
            await self._complete(live, live.ended(self._line(f"failed: {error.detail}"), error=error))
        else:
            done = {"generation": generation, "inference_s": generation.inference_s}
            await self._complete(live, live.ended(self._line("completed"), **done))

    def _hear(self, live: LiveRequest, event: Heard) -> None:
        if isinstance(event, JobStarted) and live.started_s is None:
            live.started_s = self._clock()
            self._change(live, "started", state=RequestState.RUNNING)
            self._move_up(live)
        elif isinstance(event, JobStep | Noted):
            self._change(live, step_message(live.request, event))

    def _change(self, live: LiveRequest, message: str, *, state: RequestState | None = None) -> None:
        if not live.view.is_completed:
            logs = (*live.view.logs, self._line(message))
            live.show(replace(live.view, logs=logs, state=state or live.view.state))
            self._unpublished[live.request.request_id] = live
            self._upkeep.publish_soon()

    async def _complete(self, live: LiveRequest, view: RequestView) -> None:
        messages = messages_of(live.request, view)
        while True:
            try:
                self._conclude(live, await self._store.complete(live.lease, view, messages=messages))
            except (LeaseLostError, UnknownRequestError):
                self._give_up(live)
            except StoreUnavailableError:
                logger.exception("request %s is done, but cannot be kept yet", view.request_id)
                await self._sleep(STORE_PAUSE_S)
                continue
            return

    def _conclude(self, live: LiveRequest, view: RequestView) -> None:
        live.show(view)
        self._leave(live)

    def _give_up(self, live: LiveRequest) -> None:
        live.give_up()
        self._leave(live)

    def _leave(self, live: LiveRequest) -> None:
        request_id = live.request.request_id
        if self._live.get(request_id) is live:
            del self._live[request_id]
            self._unpublished.pop(request_id, None)
            self._move_up(live)

    async def _publish(self) -> None:
        changed, self._unpublished = list(self._unpublished.values()), {}
        await self._store.publish([live.progress for live in changed])

    async def _tend(self) -> None:
        held = {lease.request_id: lease for lease in await self._store.renew()}
        nobodys = held.keys() - self._live.keys() - self._arriving
        await self._store.release([held[request_id] for request_id in nobodys])
        for live in list(self._live.values()):
            if held.get(live.request.request_id) != live.lease:
                await self._look_after(live)
        while claims := await self._store.claim(CLAIMS_AT_ONCE):
            for claim in claims:
                await self._take_over(claim)
        await self._store.forget()

    async def _look_after(self, live: LiveRequest) -> None:
        try:
            kept = await self._store.standing(live.request.request_id)
        except UnknownRequestError:
            self._give_up(live)
            return
        if kept.view.is_completed:
            live.task.cancel()
            self._conclude(live, kept.view)
        elif kept.lease != live.lease:
            self._give_up(live)

    async def _take_over(self, claim: Claim) -> None:
        live = LiveRequest(claim.request, lease=claim.lease, view=claim.view, submitted_s=claim.submitted_s)
        if not may_begin_again(claim.request, claim.attempts, max_attempts=self._max_attempts):
            error = GenerationFailedError(f"{claim.attempts} processes that worked on the request have died")
            await self._complete(live, live.ended(self._line(f"failed: {error.detail}"), error=error))
            return
        if (former := self._live.get(claim.lease.request_id)) is not None:
            self._give_up(former)
        self._begin(live)
        self._change(live, "begun again, because the process that had it is gone")

    def _overhear(self, request_id: str | None) -> None:
        if request_id in self._live or (request_id is None and self._live):
            self._upkeep.hurry()

    def _live_of(self, request_id: str, tenant: str) -> LiveRequest | None:
        live = self._live.get(request_id)
        return live if live is not None and live.request.tenant == tenant else None

    def _view(self, request_id: str, endpoint: str, line: str, *, tenant: str) -> RequestView:
        return RequestView(request_id=request_id, endpoint=endpoint, logs=(self._line(line),), tenant=tenant)

    def _queued(self) -> list[LiveRequest]:
        return [live for live in self._live.values() if live.is_waiting]

    def _placed(self, view: RequestView) -> RequestView:
        return replace(view, queue_position=self._order.position(view.request_id))

    def _move_up(self, started: LiveRequest) -> None:
        """Those behind a request that waits no longer have a new place, which their watchers are told."""
        if self._order.remove(started.request.request_id):
            for live in [self._live[each] for each in self._watched if each in self._live]:
                if live.is_waiting:
                    live.show(live.view)

    def _line(self, message: str) -> LogLine:
        return LogLine(message, self._clock())
