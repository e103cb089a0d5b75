"""Whatever arrives, is cancelled, paused or previewed, and whenever: every picture is the one drawn alone."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from schedules import expected, play, random_schedule

from app.errors import JobCancelledError
from app.generation import JobFailed


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
