"""What the router's process counts for the forecaster."""

from typing import Any

import pytest

from app.autoscaling.live.counts import Counts
from app.autoscaling.live.tally import StageTally
from app.generation import Job, PictureSpec, Task
from app.routing.ports import Finished

pytestmark = pytest.mark.ray


def job(task: Task) -> Job:
    """A job of that task."""
    spec = PictureSpec(task=task, variant="sketch", width=64, height=64, native_width=64, native_height=64)
    return Job(job_id="1", spec=spec, arrival_s=0.0, deadline_s=9.0)


class Finisher:
    """Finishes in half a second of work, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def finish(self, job: Job, source_key: str) -> Finished:
        """The picture, or the error."""
        if self._error is not None:
            raise self._error
        return Finished(blob_key=source_key, byte_count=1, upscale_s=0.5)


def counted(finisher: Finisher, tally: StageTally) -> Any:
    """The finisher, counted."""
    from deployments.reporting import CountedFinisher

    return CountedFinisher(finisher, tally)


@pytest.mark.parametrize(("task", "arrived"), [(Task.UPSCALE, 1), (Task.TEXT_TO_IMAGE, 0)])
async def test_pictures_are_finished_and_counted(task: Task, arrived: int) -> None:
    """A finished picture counts with its work; only what callers bring themselves has arrived from outside."""
    tally = StageTally()
    finished = await counted(Finisher(), tally).finish(job(task), "key")

    assert finished.blob_key == "key"
    assert tally.counts == Counts(arrived=arrived, finished=1, single_s=0.5)


async def test_a_failure_is_passed_on() -> None:
    """An error of the stage reaches the router, and nothing stays under way."""
    tally = StageTally()
    with pytest.raises(ValueError, match="broken"):
        await counted(Finisher(ValueError("broken")), tally).finish(job(Task.UPSCALE), "key")

    assert tally.counts == Counts(arrived=1)
