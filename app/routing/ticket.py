"""One job on its way through the router, and the caller who waits for it."""

import asyncio
from collections.abc import AsyncGenerator

from app.errors import DarkroomError
from app.generation import Job, JobEvent, JobFinished, JobStarted, Picture, Receipt


class Ticket:
    """What the router knows of one job; its events reach the one caller who iterates over it.

    `dispatches` counts the batches that the job was put into, `started_s` is when a replica
    last began to work on it, `callers` counts those who have listened, one after the other.
    Whatever comes after the end of the job reaches nobody.
    """

    def __init__(self, job: Job, enqueued_s: float) -> None:
        self.job = job
        self.enqueued_s = enqueued_s
        self.started_s = enqueued_s
        self.dispatches = 0
        self.callers = 1
        self.is_over = False
        self._start: JobStarted | None = None
        self._unread: asyncio.Queue[JobEvent | DarkroomError | None] = asyncio.Queue()

    def tell(self, event: JobEvent) -> None:
        """Pass an event on to the caller."""
        if isinstance(event, JobStarted):
            self._start = event
        self._unread.put_nowait(event)

    def finish(self, *, blob_key: str, byte_count: int, receipt: Receipt) -> None:
        """End the job with its picture."""
        spec = self.job.spec
        picture = Picture(
            blob_key=blob_key,
            width=spec.width,
            height=spec.height,
            image_format=spec.image_format,
            byte_count=byte_count,
            receipt=receipt,
        )
        self.tell(JobFinished(job_id=self.job.job_id, picture=picture))
        self.is_over = True

    def fail(self, error: DarkroomError) -> None:
        """End the job with an error."""
        self._unread.put_nowait(error)
        self.is_over = True

    def hand_over(self) -> None:
        """Let another caller listen from now on, who hears of the start too.

        For the one before, the events just end: most likely it is dead, and to report an error to a dead
        process can take a second, in which the router does nothing else.
        """
        former, self._unread = self._unread, asyncio.Queue()
        former.put_nowait(None)
        self.callers += 1
        if self._start is not None:
            self.tell(self._start)

    async def events(self) -> AsyncGenerator[JobEvent, None]:
        """Every event of the job, JobFinished last, until it is handed over; raises the error that ended it."""
        unread = self._unread
        while True:
            event = await unread.get()
            if event is None:
                return
            if isinstance(event, DarkroomError):
                raise event
            yield event
            if isinstance(event, JobFinished):
                return
