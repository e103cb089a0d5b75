"""Router: which job goes next, where, and what its caller is told."""

import pytest
from fake_replicas import RouterBench
from fakes import make_job, settle

from app.config import RoutingSettings
from app.errors import BadRequestError, NotFoundError, OverloadedError, ReplicaLostError
from app.generation import JobFinished, JobStarted, JobStep, Picture, Task
from app.telemetry.events import JobDispatched, JobEnqueued, StageDone


async def test_a_caller_hears_start_steps_and_picture() -> None:
    """The events of a job reach its caller in order, JobFinished last."""
    bench = RouterBench()
    events = await bench.clock.run(bench.events(make_job("a", steps=2, report_steps=True)))
    assert events[0] == JobStarted(job_id="a", replica="replica-0")
    assert events[1:3] == [JobStep(job_id="a", step=1, steps=2), JobStep(job_id="a", step=2, steps=2)]
    assert isinstance(events[3], JobFinished)
    assert len(events) == 4


async def test_a_job_joins_the_batch_that_runs() -> None:
    """While there is a place, a job that arrives during a step takes the next one with those that run."""
    bench = RouterBench(max_batch=2)
    callers = await bench.start(make_job("first"))
    await bench.clock.advance(1.5)
    callers += await bench.start(make_job("second", arrival_s=1001.5))
    await bench.outcomes(callers)
    assert bench.replica.steps == [("first",)] * 2 + [("first", "second")] * 2 + [("second",)] * 2


async def test_places_are_given_to_jobs_of_one_shape_together() -> None:
    """Free places go to the most urgent job and the most urgent others of its shape, whatever their steps."""
    bench = RouterBench(max_batch=3)
    tall = make_job("tall", native_height=128, arrival_s=1.0)
    small = (make_job(f"small-{n}", steps=n + 1, arrival_s=float(2 * n)) for n in range(3))
    await bench.run(tall, *small)
    assert [group for _, group in bench.replica.received] == [("small-0", "small-1", "small-2"), ("tall",)]


async def test_an_urgent_job_overtakes_those_that_wait() -> None:
    """A job that arrives while others run goes before all that are less urgent, whenever they came."""
    bench = RouterBench(max_batch=1)
    callers = await bench.start(*(make_job(f"slow-{n}", deadline_s=1010.0 + n) for n in range(3)))
    await bench.clock.advance(2.5)
    callers += await bench.start(make_job("urgent", deadline_s=1010.5))
    await bench.outcomes(callers)
    assert bench.replica.batches == [("slow-0",), ("urgent",), ("slow-1",), ("slow-2",)]


async def test_an_urgent_job_starts_although_every_place_is_taken() -> None:
    """It is sent at once, the replica pauses the least urgent job for it, and no job waits longer than it must."""
    bench = RouterBench(max_batch=2)
    callers = await bench.start(*(make_job(f"long-{n}", steps=9, deadline_s=3600.0 + n) for n in range(2)))
    await bench.clock.advance(2.5)
    callers += await bench.start(make_job("urgent", deadline_s=1010.0))
    await bench.outcomes(callers)
    assert bench.replica.received[-1] == (1002.5, ("urgent",))
    assert bench.replica.steps[3:7] == [("urgent", "long-0")] * 4
    assert bench.clock.now_s == 1013.0


async def test_overtaking_is_bounded() -> None:
    """At most as many jobs as a replica has places are sent beyond them; the others wait in the queue."""
    bench = RouterBench(max_batch=2)
    callers = await bench.start(*(make_job(f"long-{n}", steps=50, deadline_s=3600.0) for n in range(2)))
    await bench.clock.advance(1.5)
    callers += await bench.start(*(make_job(f"urgent-{n}", steps=50, deadline_s=1010.0) for n in range(6)))
    await bench.clock.advance(10.0)
    assert sum(len(group) for _, group in bench.replica.received) == 4
    await bench.outcomes(callers)


async def test_a_place_is_given_again_when_its_job_begins_its_last_step() -> None:
    """The next job is sent at the start of the last step of the one before it, not earlier and not later."""
    bench = RouterBench(max_batch=1)
    await bench.run(*(make_job(f"job-{n}", steps=4) for n in range(3)))
    assert [at_s for at_s, _ in bench.replica.received] == [1000.0, 1003.0, 1007.0]


async def test_a_replica_with_work_waiting_is_never_idle() -> None:
    """Because one batch waits beside the running one, batches follow each other without a gap."""
    bench = RouterBench(max_batch=2)
    await bench.run(*(make_job(f"job-{n}") for n in range(9)))
    assert bench.replica.busy_s == bench.clock.now_s - 1000.0


async def test_all_replicas_are_kept_busy() -> None:
    """Two replicas do the work of many jobs in half the time."""
    bench = RouterBench(replicas=2, max_batch=1)
    await bench.run(*(make_job(f"job-{n}") for n in range(8)))
    assert [replica.busy_s for replica in bench.replicas] == [16.0, 16.0]
    assert bench.clock.now_s == 1016.0


async def test_a_slot_held_on_a_busy_replica_does_not_hide_an_idle_one() -> None:
    """A job whose slot turns out to be on a working replica looks for another, and starts there at once."""
    bench = RouterBench(replicas=2, max_batch=1, slots_each=2)
    bench.pool.spreads = False
    callers = await bench.start(make_job("first"))
    await bench.clock.advance(0.5)
    callers += await bench.start(make_job("second"))
    assert [len(replica.batches) for replica in bench.replicas] == [1, 1]
    await bench.outcomes(callers)


async def test_a_slow_finishing_stage_does_not_delay_the_next_batch() -> None:
    """Pictures are brought to their size beside the drawing: the slot is free as soon as they are drawn."""
    bench = RouterBench(max_batch=1, delivers=False, finish_s=100.0)
    await bench.run(*(make_job(f"job-{n}", width=128) for n in range(3)))
    assert bench.replica.busy_s == 12.0
    assert bench.clock.now_s == 1012.0 + 100.0


async def test_the_receipt_tells_the_wait_the_replica_and_the_upscaling() -> None:
    """Queue time runs from arrival to the first step; what the replica reported stays."""
    bench = RouterBench(max_batch=1, delivers=False, finish_s=3.0)
    pictures = await bench.run(make_job("first"), make_job("second", width=128))
    receipt = pictures[1].receipt
    assert (receipt.queue_s, receipt.upscale_s, receipt.replica) == (4.0, 3.0, "replica-0")
    assert (receipt.gpu_ms, receipt.steps, receipt.batch_size) == (5.0, 4, 1)


async def test_a_picture_drawn_to_size_needs_no_finishing() -> None:
    """A delivered picture goes to its caller as it is."""
    bench = RouterBench(delivers=True)
    (picture,) = await bench.run(make_job("a"))
    assert (picture.blob_key, picture.byte_count, picture.width) == ("drawn-a", 100, 64)
    assert bench.finisher.finished == []


async def test_an_upscale_needs_no_slot() -> None:
    """An upscale goes from its source straight to the finishing stage, whatever its variant is called."""
    bench = RouterBench()
    upscale = make_job("a", task=Task.UPSCALE, variant="upscaler", steps=0, source_key="source.png")
    (picture,) = await bench.run(upscale)
    assert bench.finisher.finished == [("a", "source.png")]
    assert (picture.blob_key, picture.receipt.upscale_s) == ("finished-a", 1.0)
    assert bench.replica.batches == []


async def test_an_upscale_of_nothing_is_refused() -> None:
    """An upscale without a source picture is the caller's mistake."""
    bench = RouterBench()
    (outcome,) = await bench.run(make_job("a", task=Task.UPSCALE))
    assert isinstance(outcome, BadRequestError)


async def test_an_unknown_variant_is_not_found() -> None:
    """A job for a variant without a pool is refused by name."""
    bench = RouterBench()
    with pytest.raises(NotFoundError, match="oil-paint"):
        await bench.events(make_job("a", variant="oil-paint"))


async def test_an_id_can_be_used_again_once_its_job_is_over() -> None:
    """Nothing is kept of a job after its end."""
    bench = RouterBench()
    for _ in range(2):
        assert [type(outcome) for outcome in await bench.run(make_job("a"))] == [Picture]


async def test_as_many_slots_are_sought_as_jobs_wait() -> None:
    """Three waiting jobs ask for three slots, and never for more than the pool allows."""
    bench = RouterBench(replicas=3, max_batch=4)
    for replica in bench.replicas:
        replica.is_dead = True
    await bench.start(*(make_job(f"job-{n}") for n in range(3)))
    assert bench.pool.pending == 3
    await bench.start(*(make_job(f"more-{n}") for n in range(40)))
    assert bench.pool.pending == bench.pool.slots
    await bench.router.close()


async def test_a_full_queue_refuses_with_a_time_to_come_back() -> None:
    """Beyond the limit the answer is OverloadedError; its time is that in which half the queue will be served."""
    bench = RouterBench(max_batch=1, max_queued=4)
    callers = await bench.start(*(make_job(f"job-{n}") for n in range(4)))
    await bench.clock.advance(6.0)
    callers += await bench.start(*(make_job(f"more-{n}") for n in range(3)))
    *_, refusal = await bench.outcomes(callers)
    assert isinstance(refusal, OverloadedError)
    assert refusal.retry_after_s == 2 * 6.0 / 2


async def test_limits_can_change_while_jobs_wait() -> None:
    """A new limit holds for the jobs that arrive after it."""
    bench = RouterBench(max_batch=1, max_queued=1)
    callers = await bench.start(make_job("a"), make_job("b"))
    bench.router.reconfigure(RoutingSettings(max_queued=2))
    callers += await bench.start(make_job("c"), make_job("d"))
    outcomes = await bench.outcomes(callers)
    assert [type(outcome) for outcome in outcomes] == [Picture, OverloadedError, Picture, Picture]


async def test_the_router_tells_what_it_does() -> None:
    """Each job is seen entering the queue, leaving it, and being upscaled."""
    bench = RouterBench(delivers=False)
    await bench.run(make_job("a", width=128))
    (enqueued,) = bench.recorder.of(JobEnqueued)
    (dispatched,) = bench.recorder.of(JobDispatched)
    (upscaled,) = bench.recorder.of(StageDone)
    assert (enqueued.queued, enqueued.variant) == (1, "sketch")
    assert (dispatched.replica, dispatched.enqueued_s) == ("replica-0", 1000.0)
    assert (upscaled.stage, upscaled.started_s, upscaled.ended_s) == ("upscale", 1004.0, 1005.0)


async def test_closing_ends_every_job_and_refuses_new_ones() -> None:
    """Waiting, running and finishing jobs all end with ReplicaLostError, and so does a newcomer."""
    bench = RouterBench(max_batch=1, delivers=False, finish_s=60.0)
    callers = await bench.start(make_job("finishing", width=128))
    await bench.clock.advance(5.0)
    callers += await bench.start(make_job("running"), make_job("waiting"))
    await bench.router.close()
    callers += await bench.start(make_job("late"))
    await settle()
    assert [type(caller.exception()) for caller in callers] == [ReplicaLostError] * 4
