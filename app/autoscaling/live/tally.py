"""Counts jobs on their way through the router, for one deployment."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from app.autoscaling.curve import BatchCurve
from app.autoscaling.live.counts import Counts
from app.generation import Job, JobEvent, JobFinished, JobStarted, Receipt

_LATEST = 32


class Tally:
    """The jobs of one model host; not more than one thread may write to it."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._arrived = self._finished = self._flowed = self._late = self._queued = self._running = 0
        self._singles_s: deque[float] = deque(maxlen=_LATEST)

    @property
    def counts(self) -> Counts:
        """The numbers as they stand."""
        singles_s = tuple(self._singles_s)
        return Counts(
            arrived=self._arrived, finished=self._finished, flowed=self._flowed, late=self._late, queued=self._queued,
            running=self._running, single_s=median(singles_s) if singles_s else None,
        )  # fmt: skip

    @contextmanager
    def job(self, job: Job) -> Iterator[Callable[[JobEvent], None]]:
        """Count a job as long as the block lasts; the value is told what happens to it."""
        is_started = False

        def saw(event: JobEvent) -> None:
            nonlocal is_started
            if isinstance(event, JobStarted) and not is_started:
                is_started = True
                self._queued -= 1
                self._running += 1
            elif isinstance(event, JobFinished):
                self._finish(job, event.picture.receipt)

        self._arrived += 1
        self._queued += 1
        try:
            yield saw
        finally:
            if is_started:
                self._running -= 1
            else:
                self._queued -= 1

    def _finish(self, job: Job, receipt: Receipt) -> None:
        self._finished += 1
        self._flowed += receipt.upscale_s > 0
        self._late += self._clock() > job.deadline_s
        if receipt.gpu_ms > 0:
            self._singles_s.append(single_s(receipt))


class StageTally:
    """The pictures of a stage behind the models; what comes from a model is not an arrival from outside."""

    def __init__(self) -> None:
        self._arrived = self._finished = self._running = 0
        self._singles_s: deque[float] = deque(maxlen=_LATEST)

    @property
    def counts(self) -> Counts:
        """The numbers as they stand; all that is under way counts as queued, because the stage says no more."""
        singles_s = tuple(self._singles_s)
        return Counts(
            arrived=self._arrived, finished=self._finished, queued=self._running,
            single_s=median(singles_s) if singles_s else None,
        )  # fmt: skip

    @contextmanager
    def picture(self, *, from_outside: bool) -> Iterator[Callable[[float], None]]:
        """Count a picture as long as the block lasts; the value is told how many seconds of work it was."""
        self._arrived += from_outside
        self._running += 1
        try:
            yield self._finish
        finally:
            self._running -= 1

    def _finish(self, work_s: float) -> None:
        self._finished += 1
        if work_s > 0:
            self._singles_s.append(work_s)


def single_s(receipt: Receipt) -> float:
    """How long the picture would have taken alone: its share of the device, undone by the batch curve's prior."""
    prior = BatchCurve(single_s=1.0)
    size = max(1.0, receipt.batch_size)
    return receipt.gpu_ms / 1000 * size / (prior.fixed_share + (1 - prior.fixed_share) * size)
