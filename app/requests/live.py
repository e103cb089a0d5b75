"""One request that this process works on."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from app.compound import Noted, QueuedRequest
from app.errors import AlreadyCompletedError
from app.generation import GenerationRequest, JobStep, job_id_of
from app.signals import Signal
from app.storage.jobs import Lease, LogLine, Progress, RequestState, RequestView


class LiveRequest:
    """The request under the lease that allows this process to work on it; `view` is its latest."""

    def __init__(self, request: QueuedRequest, *, lease: Lease, view: RequestView, submitted_s: float) -> None:
        self.request = request
        self.lease = lease
        self.view = view
        self.submitted_s = submitted_s
        self.started_s: float | None = None
        self.task: asyncio.Task[None]
        self._changed = Signal()
        self._is_given_up = False

    @property
    def is_waiting(self) -> bool:
        """True until the work on it has started, here or where it was before."""
        return self.view.state is RequestState.QUEUED

    @property
    def progress(self) -> Progress:
        """How far it is, for the store."""
        return Progress(self.lease, self.view, has_begun=self.started_s is not None)

    def show(self, view: RequestView) -> None:
        """Replace the view and wake those who watch."""
        self.view = view
        self._changed.give()

    def give_up(self) -> None:
        """Stop: another process has the lease. Those who watch must look elsewhere."""
        self._is_given_up = True
        self.task.cancel()
        self._changed.give()

    async def views(self) -> AsyncGenerator[RequestView, None]:
        """The view now and at every change, until it is complete or given up; a slow reader misses some between."""
        while not self._is_given_up:
            view, changed = self.view, self._changed.next_time()
            yield view
            if view.is_completed:
                return
            await changed.wait()

    def ended(self, line: LogLine, **outcome: Any) -> RequestView:
        """The view with which it would be complete."""
        if self.started_s is not None:
            outcome.setdefault("inference_s", line.at_s - self.started_s)
        return ended(self.view, line, **outcome)


def ended(view: RequestView, line: LogLine, **outcome: Any) -> RequestView:
    """The view, completed with a last line; raises AlreadyCompletedError."""
    if view.is_completed:
        raise AlreadyCompletedError("Request is already completed")
    return replace(view, state=RequestState.COMPLETED, logs=(*view.logs, line), queue_position=None, **outcome)


def step_message(request: QueuedRequest, event: JobStep | Noted) -> str:
    """The log line of one denoising step, which names the picture when there are several, or the line itself."""
    if isinstance(event, Noted):
        return event.message
    step = f"step {event.step}/{event.steps}"
    if not isinstance(request, GenerationRequest) or request.num_images == 1:
        return step
    number = 1 + [job_id_of(request.request_id, index) for index in range(request.num_images)].index(event.job_id)
    return f"picture {number}/{request.num_images}: {step}"
