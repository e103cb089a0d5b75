"""Router: what happens to jobs that are cancelled, late, or let down by their replica."""

from contextlib import aclosing

import pytest
from fake_replicas import RouterBench
from fakes import make_job, settle

from app.errors import GenerationFailedError, JobCancelledError, ReplicaLostError, StartTimeoutError
from app.generation import Picture
from app.telemetry.events import JobDropped


async def test_a_waiting_job_is_cancelled_at_once() -> None:
    """It leaves the queue, its caller gets JobCancelledError, and no replica hears of it."""
    bench = RouterBench(max_batch=1)
    callers = await bench.start(make_job("running"), make_job("waiting"))
    assert await bench.router.cancel("waiting")
    outcomes = await bench.outcomes(callers)
    assert [type(outcome) for outcome in outcomes] == [Picture, JobCancelledError]
    assert bench.replica.batches == [("running",)]
    assert [drop.reason for drop in bench.recorder.of(JobDropped)] == ["cancelled"]


async def test_a_running_job_is_cancelled_on_its_replica() -> None:
    """The replica is told, the caller gets JobCancelledError, and its batch mate gets its picture."""
    bench = RouterBench()
    callers = await bench.start(make_job("first"), make_job("second"))
    assert await bench.router.cancel("first")
    outcomes = await bench.outcomes(callers)
    assert [type(outcome) for outcome in outcomes] == [JobCancelledError, Picture]
    assert bench.pool.cancelled == ["first"]


async def test_a_finishing_job_is_cancelled() -> None:
    """Its picture is not brought to its size any more."""
    bench = RouterBench(delivers=False, finish_s=60.0)
    callers = await bench.start(make_job("a", width=128))
    await bench.clock.advance(10.0)
    assert await bench.router.cancel("a")
    assert [type(outcome) for outcome in await bench.outcomes(callers)] == [JobCancelledError]
    await bench.clock.advance(100.0)
    assert bench.finisher.finished == []


async def test_there_is_nothing_to_cancel_once_a_job_is_over() -> None:
    """Cancelling a finished or unknown job answers false."""
    bench = RouterBench()
    await bench.run(make_job("a"))
    assert not await bench.router.cancel("a")
    assert not await bench.router.cancel("unknown")


async def test_a_cancellation_that_overtakes_its_job_is_repeated() -> None:
    """A job that was cancelled between its dispatch and its start is cancelled again when it starts."""
    bench = RouterBench(max_batch=1)
    callers = await bench.start(make_job("first"), make_job("second"))
    await bench.clock.advance(3.0)
    assert bench.replica.received[-1] == (1003.0, ("second",))
    await bench.router.cancel("second")
    await bench.outcomes(callers)
    await settle()
    assert bench.pool.cancelled == ["second", "second"]


async def test_a_caller_who_leaves_cancels_the_job() -> None:
    """Closing the iteration early takes a waiting job out and stops a running one."""
    bench = RouterBench(max_batch=1)
    async with aclosing(bench.router.run(make_job("a"))) as events:
        await anext(events)
    await settle()
    assert bench.pool.cancelled == ["a"]
    callers = await bench.start(make_job("b"), make_job("c"))
    callers[1].cancel()
    await bench.outcomes(callers)
    assert bench.replica.batches == [("a",), ("b",)]


async def test_a_job_that_cannot_start_in_time_fails_exactly_then() -> None:
    """StartTimeoutError comes when the time is up, though no slot ever comes free."""
    bench = RouterBench(max_batch=1)
    callers = await bench.start(make_job("slow", steps=100), make_job("late", start_by_s=1007.0))
    await bench.clock.advance(6.9)
    assert not callers[1].done()
    await bench.clock.advance(0.1)
    with pytest.raises(StartTimeoutError):
        await callers[1]
    assert [(drop.reason, drop.dropped_s) for drop in bench.recorder.of(JobDropped)] == [("start_timeout", 1007.0)]
    await bench.outcomes(callers)


async def test_a_job_that_started_in_time_may_take_as_long_as_it_needs() -> None:
    """The start timeout does not end a job that runs."""
    bench = RouterBench()
    (outcome,) = await bench.run(make_job("a", steps=50, start_by_s=1002.0))
    assert isinstance(outcome, Picture)


async def test_a_failing_job_does_not_fail_its_batch_mates() -> None:
    """Each job of a batch has its own outcome."""
    bench = RouterBench()
    bench.replica.errors["bad"] = GenerationFailedError("not a number")
    outcomes = await bench.run(make_job("bad"), make_job("good"))
    assert [type(outcome) for outcome in outcomes] == [GenerationFailedError, Picture]


async def test_jobs_of_a_lost_replica_are_made_elsewhere() -> None:
    """When a replica dies in the middle of a batch, its jobs run again and their callers notice nothing."""
    bench = RouterBench(replicas=2)
    bench.replicas[0].doomed = True
    outcomes = await bench.run(make_job("a"), make_job("b"))
    assert [type(outcome) for outcome in outcomes] == [Picture, Picture]
    assert [replica.batches for replica in bench.replicas] == [[("a", "b")], [("a", "b")]]


async def test_a_slot_on_a_lost_replica_is_given_back_unused() -> None:
    """Who waited for a turn on a replica that died does not waste another chance of its jobs there."""
    bench = RouterBench(replicas=2, max_batch=1)
    bench.pool.spreads = False
    bench.replicas[0].doomed = True
    outcomes = await bench.run(*(make_job(f"job-{n}") for n in range(6)))
    assert [type(outcome) for outcome in outcomes] == [Picture] * 6
    assert len(bench.replicas[0].received) == 1


async def test_a_job_whose_second_replica_is_lost_too_fails() -> None:
    """One repeat, then ReplicaLostError: a job that kills replicas is not passed on for ever."""
    bench = RouterBench(replicas=3)
    for replica in bench.replicas:
        replica.doomed = True
    (outcome,) = await bench.run(make_job("a"))
    assert isinstance(outcome, ReplicaLostError)
    assert [replica.batches for replica in bench.replicas] == [[("a",)], [("a",)], []]


async def test_a_cancelled_job_of_a_lost_replica_is_not_repeated() -> None:
    """Nobody waits for it any more."""
    bench = RouterBench(replicas=2)
    bench.replicas[0].doomed = True
    callers = await bench.start(make_job("a"), make_job("b"))
    await bench.router.cancel("a")
    await bench.outcomes(callers)
    assert [replica.batches for replica in bench.replicas] == [[("a", "b")], [("b",)]]


async def test_jobs_wait_while_no_replica_can_be_reached() -> None:
    """A failing acquisition is tried again after a pause; the jobs stay in the queue."""
    bench = RouterBench()
    bench.pool.failures = 3
    (outcome,) = await bench.run(make_job("a"))
    assert isinstance(outcome, Picture)
    assert bench.clock.now_s >= 1000.0 + 4.0 + 2.0


@pytest.mark.parametrize(
    ("error", "expected"),
    [(ReplicaLostError("gone"), ReplicaLostError), (RuntimeError("out of memory"), GenerationFailedError)],
)
async def test_a_failing_finishing_stage_fails_its_job_alone(error: Exception, expected: type[Exception]) -> None:
    """Its caller gets the stage's own error, or GenerationFailedError for anything unforeseen."""
    bench = RouterBench(delivers=False)
    bench.finisher.error = error
    (outcome,) = await bench.run(make_job("a", width=128))
    assert type(outcome) is expected
