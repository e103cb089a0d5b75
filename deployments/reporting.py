"""What the graph's processes tell the forecaster and hear from it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.exceptions import RayError

from app.autoscaling.live.counts import Counts
from app.autoscaling.live.tally import StageTally
from app.generation import Job, Task
from app.routing.ports import Finished, Finisher
from deployments.forecaster import find

logger = logging.getLogger("app.scaling")

LOOK_S = 0.1
HEARTBEAT_S = 1.0
PATIENCE_S = 2.0


class CountedFinisher:
    """A finisher whose pictures are counted."""

    def __init__(self, finisher: Finisher, tally: StageTally) -> None:
        self._finisher = finisher
        self._tally = tally

    async def finish(self, job: Job, source_key: str) -> Finished:
        """See `app.routing.ports.Finisher`."""
        with self._tally.picture(from_outside=job.spec.task is Task.UPSCALE) as done:
            finished = await self._finisher.finish(job, source_key)
            done(finished.upscale_s)
            return finished


class Reporter(threading.Thread):
    """Tells the forecaster the counts whenever they have changed, and that they have not every second.

    While there is no forecaster nothing is lost, because counters only grow.
    """

    def __init__(self, application: str, counts: Callable[[], Mapping[str, Counts]]) -> None:
        super().__init__(name="forecaster-reporter", daemon=True)
        self._application, self._counts = application, counts
        self._pause = threading.Event()

    def run(self) -> None:
        """Report as long as the process lives."""
        while True:
            try:
                self._report_on()
            except Exception as error:
                logger.debug("the forecaster cannot be told: %s", error)
                self._pause.wait(HEARTBEAT_S)

    def _report_on(self) -> None:
        forecaster, told, silent_s = find(self._application), None, 0.0
        while True:
            counts = self._counts()
            if counts != told or silent_s >= HEARTBEAT_S:
                ray.get(forecaster.report.remote(counts), timeout=PATIENCE_S)
                told, silent_s = counts, 0.0
            self._pause.wait(LOOK_S)
            silent_s += LOOK_S


class ScalingReport:
    """The forecaster's report as the API's view; None while it does not answer."""

    def __init__(self, application: str) -> None:
        self._application = application

    async def __call__(self) -> Mapping[str, Any] | None:
        """What is planned and why."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                forecaster = await asyncio.to_thread(find, self._application)
                report: Mapping[str, Any] = await forecaster.status.remote()
                return report
        except (TimeoutError, ValueError, RayError):
            return None
