"""The stage after drawing: every picture in the size and encoding that was asked for."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from app.background import BackgroundTasks
from app.errors import DarkroomError, GenerationFailedError, OverloadedError
from app.generation import Receipt
from app.routing.drain import DrainRate
from app.routing.ports import Finisher
from app.routing.ticket import Ticket
from app.telemetry.events import Observer, StageDone

logger = logging.getLogger(__name__)


class FinishingStage:
    """Finishes pictures side by side, away from the replicas that drew them: it never holds a slot."""

    def __init__(self, finisher: Finisher, *, observe: Observer, clock: Callable[[], float]) -> None:
        self._finisher = finisher
        self._observe = observe
        self._clock = clock
        self._tasks = BackgroundTasks()
        self._drain = DrainRate()
        self._by_job: dict[str, asyncio.Task[None]] = {}

    def admit(self, most: int) -> None:
        """Raise OverloadedError when so many pictures are being finished already."""
        under_way = len(self._by_job)
        if under_way >= most:
            wait_s = self._drain.seconds_for(under_way, self._clock())
            raise OverloadedError(f"{under_way} pictures are being brought to their size already", wait_s)

    def start(self, ticket: Ticket, *, source_key: str, receipt: Receipt) -> None:
        """Finish the picture under `source_key`; the ticket ends with it, or with the error."""
        job_id = ticket.job.job_id
        task = self._tasks.start(self._finish(ticket, source_key, receipt))
        self._by_job[job_id] = task
        task.add_done_callback(lambda _: self._by_job.pop(job_id, None))

    def cancel(self, job_id: str) -> None:
        """Stop finishing the job's picture; jobs that are not here are ignored."""
        if job_id in self._by_job:
            self._by_job[job_id].cancel()

    async def close(self) -> None:
        """Stop all work."""
        await self._tasks.close()

    async def _finish(self, ticket: Ticket, source_key: str, receipt: Receipt) -> None:
        job, started_s = ticket.job, self._clock()
        try:
            finished = await self._finisher.finish(job, source_key)
        except DarkroomError as error:
            ticket.fail(error)
        except Exception:
            logger.exception("job %s: its picture could not be finished", job.job_id)
            ticket.fail(GenerationFailedError("the picture could not be brought to its size"))
        else:
            now_s = self._clock()
            self._drain.record(1, now_s)
            self._observe(
                StageDone(
                    job_id=job.job_id, stage="upscale", variant=job.spec.variant, started_s=started_s, ended_s=now_s
                )
            )
            ticket.finish(
                blob_key=finished.blob_key,
                byte_count=finished.byte_count,
                receipt=replace(receipt, upscale_s=finished.upscale_s),
            )
