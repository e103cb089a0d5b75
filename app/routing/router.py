"""The router: every picture's way through queue, replica and finishing stage."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace

from app.config import RoutingSettings
from app.errors import BadRequestError, JobCancelledError, NotFoundError, ReplicaLostError
from app.generation import Job, JobDrawn, JobEvent, JobStarted, Receipt, Task
from app.routing.dispatch import Dispatcher
from app.routing.finishing import FinishingStage
from app.routing.ports import Finisher, Pool
from app.routing.ticket import Ticket
from app.routing.waiting import WaitingLine
from app.telemetry.events import Observer, ignore

UPSCALER = "upscaler"


class Router:
    """Makes pictures out of jobs: one queue per variant, one finishing stage for all."""

    def __init__(
        self,
        *,
        pools: Mapping[str, Pool],
        max_batch: Mapping[str, int],
        finisher: Finisher,
        settings: RoutingSettings,
        observe: Observer = ignore,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._tickets: dict[str, Ticket] = {}
        self._finishing = FinishingStage(finisher, observe=observe, clock=clock)
        self._dispatchers = {
            variant: Dispatcher(
                line=WaitingLine(variant=variant, observe=observe, clock=clock, sleep=sleep),
                pool=pool,
                max_batch=max_batch[variant],
                deliver=self._deliver,
                observe=observe,
                clock=clock,
                sleep=sleep,
            )
            for variant, pool in pools.items()
        }
        self._is_closed = False

    def reconfigure(self, settings: RoutingSettings) -> None:
        """Apply new limits to the jobs that arrive from now on."""
        self._settings = settings

    async def run(self, job: Job) -> AsyncGenerator[JobEvent, None]:
        """Make one picture: yields JobStarted, JobStep where asked, and JobFinished last.

        A job whose replica was lost starts, and reports its steps, a second time. Closing the
        iteration early cancels the job. A job that is under way goes on with the latest caller:
        for whoever asked before, and is gone or has lost the right to it, the iteration just ends.
        Raises NotFoundError for an unknown variant,
        OverloadedError, StartTimeoutError, JobCancelledError, ReplicaLostError, or the error
        of the replica.
        """
        ticket = self._ticket(job)
        caller = ticket.callers
        try:
            async with aclosing(ticket.events()) as events:
                async for event in events:
                    yield event
        finally:
            if ticket.callers == caller:
                self._leave(ticket)

    async def cancel(self, job_id: str) -> bool:
        """Stop a job; true when it was waiting or running, and its caller then gets JobCancelledError."""
        ticket = self._tickets.get(job_id)
        if ticket is None or ticket.is_over:
            return False
        self._stop(ticket)
        return True

    async def close(self) -> None:
        """End every job with ReplicaLostError, and stop all tasks."""
        self._is_closed = True
        for ticket in self._tickets.values():
            ticket.fail(ReplicaLostError("the server is shutting down"))
        for dispatcher in self._dispatchers.values():
            await dispatcher.close()
        await self._finishing.close()

    def _ticket(self, job: Job) -> Ticket:
        ticket = self._tickets.get(job.job_id)
        if ticket is None or ticket.is_over:
            return self._admit(job)
        ticket.hand_over()
        return ticket

    def _leave(self, ticket: Ticket) -> None:
        self._stop(ticket)
        if self._tickets.get(ticket.job.job_id) is ticket:
            del self._tickets[ticket.job.job_id]

    def _admit(self, job: Job) -> Ticket:
        if self._is_closed:
            raise ReplicaLostError("the server is shutting down")
        ticket = Ticket(job, enqueued_s=self._clock())
        if job.spec.task is Task.UPSCALE:
            self._upscale(ticket)
        else:
            self._dispatcher(job.spec.variant).submit(ticket, max_queued=self._settings.max_queued)
        self._tickets[job.job_id] = ticket
        return ticket

    def _dispatcher(self, variant: str) -> Dispatcher:
        try:
            return self._dispatchers[variant]
        except KeyError as error:
            raise NotFoundError(f"no variant {variant}") from error

    def _upscale(self, ticket: Ticket) -> None:
        job = ticket.job
        if job.spec.source_key is None:
            raise BadRequestError("an upscale needs a picture to start from")
        self._finishing.admit(self._settings.max_queued)
        ticket.tell(JobStarted(job_id=job.job_id, replica=UPSCALER))
        receipt = Receipt(variant=job.spec.variant, steps=0, replica=UPSCALER)
        self._finishing.start(ticket, source_key=job.spec.source_key, receipt=receipt)

    def _deliver(self, ticket: Ticket, drawn: JobDrawn, replica: str) -> None:
        queue_s = ticket.started_s - ticket.enqueued_s
        receipt = replace(drawn.receipt, queue_s=queue_s, replica=replica)
        if drawn.delivered:
            ticket.finish(blob_key=drawn.blob_key, byte_count=drawn.byte_count, receipt=receipt)
        elif not ticket.is_over:
            self._finishing.start(ticket, source_key=drawn.blob_key, receipt=receipt)

    def _stop(self, ticket: Ticket) -> None:
        if ticket.is_over:
            return
        ticket.fail(JobCancelledError("the job was cancelled"))
        self._finishing.cancel(ticket.job.job_id)
        if ticket.job.spec.variant in self._dispatchers:
            self._dispatchers[ticket.job.spec.variant].cancel(ticket.job.job_id)
