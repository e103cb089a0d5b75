"""Late binding: a job is given to a replica only when the replica can start it next."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from weakref import WeakValueDictionary

from app.errors import ReplicaLostError
from app.generation import BatchDraining, JobDrawn, JobFailed, JobStarted, JobStep
from app.routing.background import BackgroundTasks
from app.routing.ports import Pool, Slot
from app.routing.ticket import Ticket
from app.routing.waiting import WaitingLine
from app.telemetry.events import JobDispatched, Observer

logger = logging.getLogger(__name__)

MOST_DISPATCHES = 2
ACQUIRE_AGAIN_S = 1.0


class _Replica:
    """What is known of one replica: whose turn it is to compose its next batch, and whether it is lost."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.is_lost = False


class Dispatcher:
    """Gives the replicas of one variant their batches, the most urgent jobs first.

    A batch is composed only once a slot is held and the batch before it on the same replica
    has begun its last step, so that one batch runs and at most one waits beside it. Drawn
    pictures go to `deliver` with the name of their replica. Jobs whose replica is lost are
    queued a second time, then fail with ReplicaLostError.
    """

    def __init__(
        self,
        *,
        line: WaitingLine,
        pool: Pool,
        max_batch: int,
        deliver: Callable[[Ticket, JobDrawn, str], None],
        observe: Observer,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._line = line
        self._pool = pool
        self._max_batch = max_batch
        self._deliver = deliver
        self._observe = observe
        self._clock = clock
        self._sleep = sleep
        self._running: dict[str, Ticket] = {}
        self._replicas: WeakValueDictionary[str, _Replica] = WeakValueDictionary()
        self._tasks = BackgroundTasks()
        self._acquisitions = 0
        self._seeking = 0

    def submit(self, ticket: Ticket, *, max_queued: int) -> None:
        """Queue a job; raises OverloadedError when `max_queued` wait already."""
        self._line.admit(ticket, max_queued=max_queued)
        self._seek()

    def cancel(self, job_id: str) -> None:
        """Take a job out of the queue, or have its replica stop it; jobs that are not here are ignored."""
        if not self._line.cancel(job_id) and job_id in self._running:
            self._tasks.start(self._pool.cancel(job_id))

    async def close(self) -> None:
        """Empty the queue and stop all tasks."""
        self._line.close()
        await self._tasks.close()

    def _seek(self) -> None:
        batches = math.ceil(len(self._line) / self._max_batch)
        while self._seeking < batches and self._acquisitions < self._pool.slots:
            self._seeking += 1
            self._acquisitions += 1
            self._tasks.start(self._serve_one())

    async def _serve_one(self) -> None:
        try:
            async with AsyncExitStack() as held:
                try:
                    slot = await held.enter_async_context(self._pool.acquire())
                finally:
                    self._seeking -= 1
                self._seek()
                await self._serve(slot)
        except Exception:
            logger.warning("no slot could be had", exc_info=True)
            await self._sleep(ACQUIRE_AGAIN_S)
        finally:
            self._acquisitions -= 1
            self._seek()

    async def _serve(self, slot: Slot) -> None:
        with ExitStack() as turn:
            replica = self._replicas.setdefault(slot.replica, _Replica())
            await replica.turn.acquire()
            turn.callback(replica.turn.release)
            if not replica.is_lost and (batch := self._line.take_batch(self._max_batch)):
                await self._run(slot, batch, replica=replica, turn=turn)

    async def _run(self, slot: Slot, batch: tuple[Ticket, ...], *, replica: _Replica, turn: ExitStack) -> None:
        self._running.update((ticket.job.job_id, ticket) for ticket in batch)
        try:
            self._send_off(batch, slot.replica)
            async for event in slot.run(tuple(ticket.job for ticket in batch)):
                if isinstance(event, BatchDraining):
                    turn.close()
                else:
                    self._pass_on(event, slot.replica)
        except Exception:
            replica.is_lost = True
            logger.warning("replica %s was lost", slot.replica, exc_info=True)
        finally:
            unfinished = [ticket for ticket in batch if self._running.pop(ticket.job.job_id, None)]
        self._dispatch_again(unfinished)

    def _send_off(self, batch: tuple[Ticket, ...], replica: str) -> None:
        now_s = self._clock()
        for ticket in batch:
            ticket.dispatches += 1
            self._observe(
                JobDispatched(
                    job_id=ticket.job.job_id,
                    variant=ticket.job.spec.variant,
                    replica=replica,
                    batch_size=len(batch),
                    enqueued_s=ticket.enqueued_s,
                    dispatched_s=now_s,
                )
            )

    def _pass_on(self, event: JobStarted | JobStep | JobDrawn | JobFailed, replica: str) -> None:
        ticket = self._running.get(event.job_id)
        if ticket is None:
            return
        match event:
            case JobStarted():
                self._started(ticket, event)
            case JobStep():
                ticket.tell(event)
            case JobDrawn():
                del self._running[event.job_id]
                self._deliver(ticket, event, replica)
            case JobFailed():
                del self._running[event.job_id]
                ticket.fail(event.error)

    def _started(self, ticket: Ticket, event: JobStarted) -> None:
        ticket.started_s = self._clock()
        ticket.tell(event)
        if ticket.is_over:
            # The cancellation may have reached the replica before the job did.
            self._tasks.start(self._pool.cancel(event.job_id))

    def _dispatch_again(self, lost: list[Ticket]) -> None:
        for ticket in lost:
            if ticket.is_over:
                continue
            if ticket.dispatches < MOST_DISPATCHES:
                self._line.push(ticket)
            else:
                ticket.fail(ReplicaLostError("the replica that worked on the job was lost, and so was the next"))
