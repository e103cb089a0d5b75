"""Jobs on the way to their batch, and everything that can happen to them there."""

from collections.abc import Awaitable, Callable

from app.errors import OverloadedError, StartTimeoutError
from app.routing.alarm import Alarm
from app.routing.drain import DrainRate
from app.routing.pace import Pace
from app.routing.queue import DeadlineQueue, Suits
from app.routing.ticket import Ticket
from app.telemetry.events import JobDropped, JobEnqueued, Observer


class WaitingLine:
    """The tickets that wait for one variant, in the order in which they have to start.

    Each leaves in a batch, by cancellation, or when its time to start is over (it then fails with StartTimeoutError).
    """

    def __init__(
        self,
        *,
        variant: str,
        observe: Observer,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._variant = variant
        self._observe = observe
        self._clock = clock
        self._pace = Pace()
        self._queue = DeadlineQueue(self._pace)
        self._tickets: dict[str, Ticket] = {}
        self._drain = DrainRate()
        self._alarm = Alarm(ring=self._drop_late, clock=clock, sleep=sleep)

    def __len__(self) -> int:
        return len(self._queue)

    def admit(self, ticket: Ticket, *, max_queued: int) -> None:
        """Take a new ticket in; raises OverloadedError, until half are served, when `max_queued` wait already."""
        waiting = len(self._queue)
        if waiting >= max_queued:
            wait_s = self._drain.seconds_for((waiting + 1) // 2, self._clock())
            raise OverloadedError(f"{waiting} jobs wait for variant {self._variant} already", wait_s)
        self.push(ticket)

    def push(self, ticket: Ticket) -> None:
        """Take a ticket in, whatever the limit."""
        job = ticket.job
        self._queue.push(job)
        self._tickets[job.job_id] = ticket
        self._observe(
            JobEnqueued(job_id=job.job_id, variant=self._variant, queued=len(self._queue), at_s=self._clock())
        )
        if job.start_by_s is not None:
            self._alarm.set(self._queue.next_expiry_s())

    def head(self, suits: Suits) -> Ticket | None:
        """The most urgent ticket; one that does not suit lets others by that are almost as urgent."""
        job = self._queue.head(suits)
        return None if job is None else self._tickets[job.job_id]

    def take(self, limit: int, suits: Suits) -> tuple[Ticket, ...]:
        """That ticket, and the most urgent others that can share its batch; empty when none wait."""
        batch = tuple(self._tickets.pop(job.job_id) for job in self._queue.pop_batch(limit, suits))
        if batch:
            self._drain.record(len(batch), self._clock())
        return batch

    def was_drawn(self, ticket: Ticket) -> None:
        """Learn how long jobs take from one that was just drawn."""
        self._pace.record(ticket.job.spec, self._clock() - ticket.started_s)

    def cancel(self, job_id: str) -> bool:
        """Take a job out for good; false when it does not wait here."""
        if self._queue.remove(job_id) is None:
            return False
        self._drop(job_id, reason="cancelled")
        return True

    def close(self) -> None:
        """Take every job out for good."""
        self._alarm.set(None)
        for job_id in tuple(self._tickets):
            self._queue.remove(job_id)
            self._drop(job_id, reason="closed")

    def _drop_late(self) -> None:
        for job in self._queue.expired(self._clock()):
            error = StartTimeoutError("no replica could start the job in the time allowed")
            self._drop(job.job_id, reason="start_timeout").fail(error)
        self._alarm.set(self._queue.next_expiry_s())

    def _drop(self, job_id: str, *, reason: str) -> Ticket:
        ticket = self._tickets.pop(job_id)
        self._observe(
            JobDropped(
                job_id=job_id,
                variant=self._variant,
                reason=reason,
                enqueued_s=ticket.enqueued_s,
                dropped_s=self._clock(),
            )
        )
        return ticket
