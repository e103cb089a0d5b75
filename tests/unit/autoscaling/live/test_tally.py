"""What the router counts."""

import dataclasses

import pytest

from app.autoscaling.live.counts import Counts
from app.autoscaling.live.tally import StageTally, Tally, single_s
from app.generation import ImageFormat, Job, JobFinished, JobStarted, Picture, PictureSpec, Receipt, Task


@pytest.fixture
def job() -> Job:
    """A job that is late after second 20."""
    spec = PictureSpec(
        task=Task.TEXT_TO_IMAGE, variant="sketch", width=64, height=64, native_width=64, native_height=64
    )
    return Job(job_id="1", spec=spec, arrival_s=10.0, deadline_s=20.0)


def finished(**receipt: float) -> JobFinished:
    """The end of a job with such a receipt."""
    picture = Picture(
        blob_key="key", width=64, height=64, image_format=ImageFormat.PNG, byte_count=1,
        receipt=Receipt(variant="sketch", steps=4, **receipt),
    )  # fmt: skip
    return JobFinished(job_id="1", picture=picture)


def test_a_job_is_counted_on_its_way(job: Job) -> None:
    """A job waits until it starts, runs until it ends, and is late when it ends after its deadline."""
    tally = Tally(clock=lambda: 21.0)
    with tally.job(job) as saw:
        assert tally.counts == Counts(arrived=1, queued=1)
        saw(JobStarted(job_id="1", replica="a"))
        saw(JobStarted(job_id="1", replica="b"))
        assert tally.counts == Counts(arrived=1, running=1)
        saw(finished(upscale_s=0.1))

    assert tally.counts == Counts(arrived=1, finished=1, flowed=1, late=1)


def test_a_job_that_fails_is_gone(job: Job) -> None:
    """A job that ends with an error neither waits nor runs any longer, and was none the less asked for."""
    tally = Tally(clock=lambda: 0.0)
    with pytest.raises(ValueError, match="broken"), tally.job(job):
        raise ValueError("broken")

    assert tally.counts == Counts(arrived=1)


@pytest.mark.parametrize(("size", "expected"), [(1.0, 2.0), (2.0, 2 * 2 / 1.45)])
def test_the_speed_is_learned_from_receipts(size: float, expected: float) -> None:
    """A picture's share of the device tells how long it would have taken alone."""
    receipt = dataclasses.replace(Receipt(variant="sketch", steps=4), gpu_ms=2000.0, batch_size=size)

    assert single_s(receipt) == pytest.approx(expected)


def test_a_stage_tells_whose_pictures_it_has() -> None:
    """Pictures of models are under way like others, but only those from outside have arrived."""
    tally = StageTally()
    with tally.picture(from_outside=False), tally.picture(from_outside=True) as done:
        assert tally.counts == Counts(arrived=1, queued=2)
        done(0.25)

    assert tally.counts == Counts(arrived=1, finished=1, single_s=0.25)
