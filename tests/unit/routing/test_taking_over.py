"""Router: a job whose caller is gone goes on with the next one who asks for it."""

import asyncio

from fake_replicas import RouterBench
from fakes import make_job

from app.errors import JobCancelledError, ReplicaLostError
from app.generation import JobFinished, JobStarted, JobStep, Picture


async def test_a_job_under_way_is_drawn_once_for_the_latest_caller() -> None:
    """For the one before, who has lost the right to the job, there is nothing more to hear."""
    bench = RouterBench()
    former = asyncio.create_task(bench.events(make_job("a")))
    await bench.clock.advance(1.0)
    latter = await bench.start(make_job("a"))

    assert [type(outcome) for outcome in await bench.outcomes(latter)] == [Picture]
    assert [type(event) for event in await former] == [JobStarted]
    assert bench.replica.received == [(1000.0, ("a",))]
    assert bench.pool.cancelled == []


async def test_who_takes_over_hears_of_the_start_and_of_what_comes_after() -> None:
    """A job that has started is not one that waits."""
    bench = RouterBench()
    await bench.start(make_job("a", steps=3, report_steps=True))
    await bench.clock.advance(1.5)

    events = await bench.clock.run(bench.events(make_job("a", steps=3, report_steps=True)))

    assert [type(event) for event in events] == [JobStarted, JobStep, JobStep, JobFinished]


async def test_a_waiting_job_keeps_its_place_for_the_next_caller() -> None:
    """It starts once, when its turn comes."""
    bench = RouterBench(max_batch=1)
    callers = await bench.start(make_job("first"))
    former = asyncio.create_task(bench.events(make_job("second")))
    callers += await bench.start(make_job("second"))

    assert [type(outcome) for outcome in await bench.outcomes(callers)] == [Picture, Picture]
    assert await former == []
    assert bench.replica.batches == [("first",), ("second",)]


async def test_a_former_caller_who_leaves_late_takes_nothing_along() -> None:
    """Only the latest caller's leaving cancels a job."""
    bench = RouterBench()
    (former,) = await bench.start(make_job("a"))
    (latter,) = await bench.start(make_job("a"))
    former.cancel()
    await asyncio.wait({former})

    assert [type(outcome) for outcome in await bench.outcomes([latter])] == [Picture]
    assert not await bench.router.cancel("a")


async def test_a_job_that_its_replica_drops_is_dispatched_again() -> None:
    """A replica that ends cancels what it has; nobody who waits for it had asked for that."""
    bench = RouterBench()
    bench.replica.errors["a"] = JobCancelledError("the replica ends")
    callers = await bench.start(make_job("a"))
    await bench.clock.advance(5.0)
    bench.replica.errors.clear()

    assert [type(outcome) for outcome in await bench.outcomes(callers)] == [Picture]


async def test_a_job_that_is_dropped_twice_fails() -> None:
    """It is passed on no more often than one whose replicas die."""
    bench = RouterBench()
    bench.replica.errors["a"] = JobCancelledError("the replica ends")

    (outcome,) = await bench.run(make_job("a"))

    assert isinstance(outcome, ReplicaLostError)
