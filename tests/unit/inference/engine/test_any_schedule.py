"""Whatever arrives, is cancelled, paused or previewed, and whenever: every picture is the one drawn alone."""

import random

from fakes import make_job
from hypothesis import given, settings
from hypothesis import strategies as st
from schedules import Stage, expected, play, random_schedule

from app.errors import JobCancelledError
from app.generation import JobFailed
from app.telemetry.events import JobPaused, StepDone

SMALL = {"prompt": "red circle", "width": 32, "height": 24, "native_width": 32, "native_height": 24}


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=200)
def test_any_schedule_draws_what_each_job_draws_alone(seed: int) -> None:
    """Every job ends once: with the bytes that it has alone, or cancelled because it was cancelled."""
    chance = random.Random(seed)
    schedule = random_schedule(chance)
    ends = play(schedule, chance)
    assert ends.keys() == {act.job.job_id for act in schedule.acts}
    for act in schedule.acts:
        end = ends[act.job.job_id]
        if isinstance(end, JobFailed):
            assert isinstance(end.error, JobCancelledError)
            assert act.cancelled_at is not None
        else:
            assert end == expected(act.job)


def test_a_paused_picture_is_the_one_drawn_without_a_pause() -> None:
    """An urgent job takes the step after its arrival from a full batch of long ones; all end as they do alone."""
    stage = Stage(random.Random(1))
    long = [make_job(f"long-{seed}", seed=seed, steps=9, deadline_s=4600.0, **SMALL) for seed in range(4)]
    urgent = make_job("urgent", seed=5, steps=2, deadline_s=1001.0, **SMALL)
    for job in long:
        stage.add(job)
    for _ in range(6):
        stage.loop.tick()
    before = len(stage.recorder.of(StepDone))
    stage.add(urgent)
    stage.run()
    assert "urgent" in stage.recorder.of(StepDone)[before].job_ids
    assert stage.recorder.of(JobPaused)
    assert stage.ends == {job.job_id: expected(job) for job in (*long, urgent)}
