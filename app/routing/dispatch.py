"""Late binding: a job is given to a replica only when the replica can start it with its next step."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from weakref import WeakValueDictionary

from app.background import BackgroundTasks
from app.errors import JobCancelledError, ReplicaLostError
from app.generation import EngineEvent, Job, JobDraining, JobDrawn, JobFailed, JobStarted, JobStep
from app.routing.hints import Hints
from app.routing.places import Places
from app.routing.ports import Pool, Slot
from app.routing.ticket import Ticket
from app.routing.waiting import WaitingLine
from app.signals import Signal
from app.telemetry.events import JobDispatched, Observer

logger = logging.getLogger(__name__)

MOST_DISPATCHES = 2
ACQUIRE_AGAIN_S = 1.0


class _Replica:
    """What is known of one replica: whose turn it is to fill it, its places, and whether it is lost."""

    def __init__(self, max_batch: int) -> None:
        self.turn = asyncio.Lock()
        self.places = Places(max_batch)
        self.is_lost = False


class Dispatcher:
    """Gives the replicas of one variant their jobs, the most urgent first.

    A job whose hint another replica served is left to that one for a moment, as long as others wait.
    Jobs leave the queue only once a slot is held and there is a place for them on its replica:
    one that is free, that of a job in its last step, or that of a less urgent job, which the
    replica then pauses. Drawn pictures go to `deliver` with the name of their replica. Jobs
    whose replica is lost, or drops them, are queued a second time, then fail with ReplicaLostError.
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
        self._hints = Hints()
        self._tasks = BackgroundTasks()
        self._changed = Signal()
        self._seeking = 0
        self._idle = 0

    def submit(self, ticket: Ticket, *, max_queued: int) -> None:
        """Queue a job; raises OverloadedError when `max_queued` wait already."""
        self._line.admit(ticket, max_queued=max_queued)
        self._changed.give()
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
        """Look for a slot for each waiting job, as far as the pool lets so many stand without jobs.

        A slot may turn out to be on a busy replica: that one waits there, and another is looked for.
        """
        while self._seeking < len(self._line) and self._idle < self._pool.slots:
            self._seeking += 1
            self._idle += 1
            self._tasks.start(self._serve_one())

    async def _serve_one(self) -> None:
        idle, seeking = ExitStack(), ExitStack()
        idle.callback(self._found_work)
        seeking.callback(self._found_slot)
        with idle, seeking:
            try:
                async with self._pool.acquire() as slot:
                    seeking.close()
                    replica = self._replicas.setdefault(slot.replica, _Replica(self._max_batch))
                    if group := await self._group_for(replica, slot.replica):
                        idle.close()
                        await self._run(slot, group, replica=replica)
            except Exception:
                logger.warning("no slot could be had", exc_info=True)
                await self._sleep(ACQUIRE_AGAIN_S)

    def _found_slot(self) -> None:
        self._seeking -= 1
        self._seek()

    def _found_work(self) -> None:
        self._idle -= 1
        self._seek()

    async def _group_for(self, replica: _Replica, name: str) -> tuple[Ticket, ...]:
        """The jobs that can start on the replica, once there are some; empty when none wait or it is lost."""

        def suits(job: Job) -> bool:
            return self._hints.suits(job, name)

        async with replica.turn:
            while not replica.is_lost and (head := self._line.head(suits)) is not None:
                if room := replica.places.room_for(head.job):
                    group = self._line.take(room, suits)
                    replica.places.fill(ticket.job for ticket in group)
                    return group
                await self._changed.wait()
            return ()

    async def _run(self, slot: Slot, group: tuple[Ticket, ...], *, replica: _Replica) -> None:
        self._running.update((ticket.job.job_id, ticket) for ticket in group)
        try:
            self._send_off(group, slot.replica)
            async for event in slot.run(tuple(ticket.job for ticket in group)):
                self._pass_on(event, slot.replica)
                if isinstance(event, JobDraining | JobDrawn | JobFailed) and replica.places.leave(event.job_id):
                    self._changed.give()
        except Exception:
            replica.is_lost = True
            self._hints.lost(slot.replica)
            logger.warning("replica %s was lost", slot.replica, exc_info=True)
        finally:
            unfinished = [ticket for ticket in group if self._running.pop(ticket.job.job_id, None)]
            for ticket in group:
                replica.places.leave(ticket.job.job_id)
            self._changed.give()
        self._dispatch_again(unfinished)

    def _send_off(self, group: tuple[Ticket, ...], replica: str) -> None:
        now_s = self._clock()
        for ticket in group:
            ticket.dispatches += 1
            self._hints.served(ticket.job, replica)
            self._observe(
                JobDispatched(
                    job_id=ticket.job.job_id,
                    variant=ticket.job.spec.variant,
                    replica=replica,
                    enqueued_s=ticket.enqueued_s,
                    dispatched_s=now_s,
                )
            )

    def _pass_on(self, event: EngineEvent, replica: str) -> None:
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
                self._line.was_drawn(ticket)
                self._deliver(ticket, event, replica)
            case JobFailed(error=JobCancelledError()):
                # Its caller, who has gone, or its replica, which goes: in that case it is made elsewhere.
                pass
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
            if ticket.dispatches < _most_dispatches(ticket.job):
                self._line.push(ticket)
                self._seek()
            else:
                message = f"replicas that worked on the job were lost: {ticket.dispatches}"
                ticket.fail(ReplicaLostError(message))


def _most_dispatches(job: Job) -> int:
    """How often a job is sent to a replica, whose caller may not want it to be begun twice."""
    retries = job.handling.retries.connection_error
    return MOST_DISPATCHES if retries is None else min(MOST_DISPATCHES, 1 + retries)
