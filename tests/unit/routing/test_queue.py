"""DeadlineQueue: what it promises, against the plainest model of it."""

from collections import defaultdict

import pytest
from fakes import make_job
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.generation import Job
from app.routing.pace import Pace
from app.routing.queue import DeadlineQueue

DEADLINES = st.integers(0, 5).map(float)
HEIGHTS = st.sampled_from([64, 48])
START_BYS = st.one_of(st.none(), st.integers(0, 5).map(float))


def _urgency(job: Job) -> tuple[float, float]:
    return (job.deadline_s, job.arrival_s)


@given(st.lists(st.tuples(DEADLINES, HEIGHTS), max_size=40), st.integers(1, 5))
@settings(deadline=None, max_examples=200)
def test_pop_order_never_inverts_among_jobs_of_one_batch_key(wanted: list[tuple[float, int]], limit: int) -> None:
    """Among jobs that can share a batch, one that is more urgent is never popped in a later batch."""
    queue = DeadlineQueue()
    for number, (deadline_s, height) in enumerate(wanted):
        queue.push(make_job(f"job-{number}", deadline_s=deadline_s, arrival_s=float(number), native_height=height))
    popped: defaultdict[object, list[tuple[float, float]]] = defaultdict(list)
    while batch := queue.pop_batch(limit):
        popped[batch[0].spec.batch_key].extend(_urgency(job) for job in batch)
    assert sum(len(order) for order in popped.values()) == len(wanted)
    assert all(order == sorted(order) for order in popped.values())


def pace_of(*, step_s: float) -> Pace:
    """Every step of a picture of the usual size takes so long."""
    pace = Pace()
    pace.record(make_job("drawn", steps=1).spec, step_s)
    return pace


class QueueMachine(RuleBasedStateMachine):
    """Any sequence of operations, compared with a sorted list."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = DeadlineQueue()
        self.waiting: list[Job] = []
        self.pushed = 0

    @rule(deadline_s=DEADLINES, height=HEIGHTS, start_by_s=START_BYS)
    def push(self, deadline_s: float, height: int, start_by_s: float | None) -> None:
        """A new job arrives; equal deadlines keep the order of arrival."""
        job = make_job(
            f"job-{self.pushed}",
            deadline_s=deadline_s,
            arrival_s=float(self.pushed // 2),
            native_height=height,
            start_by_s=start_by_s,
        )
        self.pushed += 1
        self.queue.push(job)
        self.waiting = sorted([*self.waiting, job], key=_urgency)

    @rule(limit=st.integers(1, 4))
    def pop_batch(self, limit: int) -> None:
        """The batch is the most urgent job and the next most urgent of its kind."""
        batch = self.queue.pop_batch(limit)
        same = [job for job in self.waiting if job.spec.batch_key == self.waiting[0].spec.batch_key]
        assert batch == tuple(same[:limit])
        self._gone(batch)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Exactly the waiting jobs can be removed."""
        job_id = f"job-{data.draw(st.integers(0, self.pushed))}"
        expected = next((job for job in self.waiting if job.job_id == job_id), None)
        assert self.queue.remove(job_id) == expected
        self._gone(() if expected is None else (expected,))

    @rule(now_s=st.integers(0, 5).map(float))
    def expired(self, now_s: float) -> None:
        """Exactly the jobs whose time is up are taken out."""
        late = tuple(job for job in self.waiting if job.start_by_s is not None and job.start_by_s <= now_s)
        assert self.queue.expired(now_s) == late
        self._gone(late)

    @invariant()
    def agrees(self) -> None:
        """Length and the next expiry are those of the model."""
        assert len(self.queue) == len(self.waiting)
        limits = [job.start_by_s for job in self.waiting if job.start_by_s is not None]
        assert self.queue.next_expiry_s() == min(limits, default=None)

    def _gone(self, jobs: tuple[Job, ...]) -> None:
        self.waiting = [job for job in self.waiting if job not in jobs]


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(deadline=None, max_examples=100, stateful_step_count=30)


def test_an_id_waits_at_most_once() -> None:
    """Pushing a job whose id waits already is refused, and the first stays."""
    queue = DeadlineQueue()
    queue.push(make_job("a"))
    with pytest.raises(ValueError, match="already waiting"):
        queue.push(make_job("a", deadline_s=1.0))
    assert len(queue) == 1


def test_of_equal_deadlines_the_longest_work_starts_first() -> None:
    """What counts is the latest start that meets the deadline."""
    queue = DeadlineQueue(pace_of(step_s=1.0))
    queue.push(make_job("short", arrival_s=0.0, deadline_s=10.0, steps=1))
    queue.push(make_job("long", arrival_s=0.0, deadline_s=10.0, steps=4))
    queue.push(make_job("urgent", arrival_s=0.0, deadline_s=5.0, steps=1))
    assert [job.job_id for job in queue.pop_batch(3)] == ["urgent", "long", "short"]


def test_nobody_goes_ahead_of_those_whose_time_had_come_before_it_arrived() -> None:
    """However long a job takes, its latest start is not before its arrival."""
    queue = DeadlineQueue(pace_of(step_s=1000.0))
    queue.push(make_job("endless", arrival_s=8.0, deadline_s=20.0, steps=4))
    queue.push(make_job("early", arrival_s=1.0, deadline_s=7.0, steps=1))
    assert [job.job_id for job in queue.pop_batch(2)] == ["early", "endless"]


@given(st.lists(st.tuples(DEADLINES, st.sampled_from([1, 4]), st.floats(0.0, 3.0)), max_size=30))
@settings(deadline=None, max_examples=200)
def test_a_pace_that_changes_never_inverts_jobs_of_equal_work(wanted: list[tuple[float, int, float]]) -> None:
    """What was learned between two arrivals says nothing about which of two equal jobs is more urgent."""
    pace = pace_of(step_s=1.0)
    queue = DeadlineQueue(pace)
    for number, (deadline_s, steps, step_s) in enumerate(wanted):
        job = make_job(f"job-{number}", arrival_s=0.0, deadline_s=deadline_s + 100.0, steps=steps)
        queue.push(job)
        pace.record(job.spec, steps * step_s)
    popped = [job for _ in wanted for job in queue.pop_batch(1)]
    for steps in (1, 4):
        deadlines = [job.deadline_s for job in popped if job.spec.steps == steps]
        assert deadlines == sorted(deadlines)
