"""DarkroomService: what a dialect gets for one call, and what that costs."""

import asyncio
from contextlib import aclosing

import pytest
from fakes import ServiceBench, make_request, settle

from app.cache_levels import CacheLevel
from app.config import RoutingSettings
from app.errors import GenerationFailedError, OverloadedError, ReplicaLostError
from app.generation import Generation, JobStep, Tier
from app.telemetry.events import CacheLookedUp, RequestCompleted, RequestReceived


async def test_a_request_is_one_job_per_picture() -> None:
    """Seeds count up from the request's own, and wrap at 2**32; pictures come in that order."""
    bench = ServiceBench()
    generation = await bench.service.generate(make_request(num_images=3, seed=2**32 - 2))
    assert [job.spec.seed for job in bench.generator.runs] == [2**32 - 2, 2**32 - 1, 0]
    assert [picture.blob_key for picture in generation.pictures] == [
        "picture-4294967294.png",
        "picture-4294967295.png",
        "picture-0.png",
    ]
    assert (generation.request_id, generation.seed, generation.prompt) == ("request", 2**32 - 2, "a dot")


@pytest.mark.parametrize(("tier", "objective_s"), [(Tier.INTERACTIVE, 10.0), (Tier.BATCH, 3600.0)])
async def test_the_tier_sets_the_deadline(tier: Tier, objective_s: float) -> None:
    """A job is due its tier's objective after it arrived, and must start within the caller's timeout."""
    bench = ServiceBench()
    await bench.service.generate(make_request(tier=tier, start_timeout_s=5.0))
    (job,) = bench.generator.runs
    assert (job.tier, job.arrival_s, job.deadline_s, job.start_by_s) == (tier, 1000.0, 1000.0 + objective_s, 1005.0)


async def test_objectives_can_change_while_the_service_runs() -> None:
    """New settings hold for the next request."""
    bench = ServiceBench()
    bench.service.reconfigure(RoutingSettings(objective_s={"interactive": 1.0, "standard": 2.0, "batch": 3.0}))
    await bench.service.generate(make_request())
    assert bench.generator.runs[0].deadline_s == 1002.0


async def test_all_pictures_are_made_at_the_same_time() -> None:
    """No picture waits for another one of its request."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    (caller,) = await bench.ask(make_request(num_images=4))
    assert len(bench.generator.runs) == 4
    bench.generator.may_finish.set()
    assert len((await caller).pictures) == 4


async def test_inference_time_runs_from_the_first_start_to_the_end() -> None:
    """Waiting for a replica does not count."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    bench.generator.may_finish.clear()
    (caller,) = await bench.ask(make_request())
    await bench.clock.advance(5.0)
    bench.generator.may_start.set()
    await bench.clock.advance(2.0)
    bench.generator.may_finish.set()
    assert (await caller).inference_s == 2.0


async def test_a_picture_made_before_is_not_made_again() -> None:
    """An exact hit calls no generator, costs no device time, and says where it came from."""
    bench = ServiceBench()
    (first,) = (await bench.service.generate(make_request("first"))).pictures
    generation = await bench.service.generate(make_request("second"))
    (second,) = generation.pictures
    assert len(bench.generator.runs) == 1
    assert (second.blob_key, generation.inference_s) == (first.blob_key, 0.0)
    assert (second.receipt.cache, second.receipt.gpu_ms) == (CacheLevel.EXACT, 0.0)
    assert (second.receipt.variant, second.receipt.steps) == ("sketch", 4)


async def test_a_picture_whose_file_is_gone_is_made_again() -> None:
    """The cache never answers with a name behind which there is nothing."""
    bench = ServiceBench()
    await bench.service.generate(make_request("first"))
    bench.blobs.files.clear()
    (picture,) = (await bench.service.generate(make_request("second"))).pictures
    assert len(bench.generator.runs) == 2
    assert picture.receipt.cache is CacheLevel.NONE


async def test_tenants_do_not_share_pictures() -> None:
    """What one tenant had made is no hit for another, nor joined while it is under way."""
    bench = ServiceBench()
    await asyncio.gather(
        bench.service.generate(make_request("a", tenant="a")), bench.service.generate(make_request("b", tenant="b"))
    )
    await bench.service.generate(make_request("c", tenant="c"))
    assert len(bench.generator.runs) == 3


async def test_identical_requests_under_way_share_the_work() -> None:
    """The second of two identical requests waits for the first, and pays nothing."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    callers = await bench.ask(make_request("first"), make_request("second"))
    bench.generator.may_finish.set()
    first, second = await asyncio.gather(*callers)
    assert len(bench.generator.runs) == 1
    assert first.pictures[0].receipt.cache is CacheLevel.NONE
    assert second.pictures[0].receipt.cache is CacheLevel.JOINED
    assert second.pictures[0].receipt.gpu_ms == 0.0
    assert second.pictures[0].blob_key == first.pictures[0].blob_key


@pytest.mark.parametrize(("field", "value"), [("tier", Tier.INTERACTIVE), ("start_timeout_s", 2.0)])
async def test_a_hurried_request_does_not_join_a_patient_one(field: str, value: object) -> None:
    """Requests that differ in tier or start timeout are served apart: none waits longer than alone."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    callers = await bench.ask(make_request("patient"), make_request("hurried", **{field: value}))
    assert len(bench.generator.runs) == 2
    bench.generator.may_finish.set()
    await asyncio.gather(*callers)


async def test_a_failure_is_not_passed_on_to_those_who_joined() -> None:
    """The request that began the work gets its error; the one that joined is served by a second run."""
    bench = ServiceBench()
    bench.generator.errors[0] = [ReplicaLostError("gone")]
    bench.generator.may_finish.clear()
    first, second = await bench.ask(make_request("first"), make_request("second"))
    bench.generator.may_finish.set()
    with pytest.raises(ReplicaLostError):
        await first
    assert (await second).pictures[0].receipt.cache is CacheLevel.NONE
    assert [job.job_id for job in bench.generator.runs] == ["first.0", "second.0"]


async def test_one_failing_picture_ends_the_request() -> None:
    """The others are cancelled, and the caller gets the error itself."""
    bench = ServiceBench()
    bench.generator.errors[1] = [GenerationFailedError("not a number")]
    bench.generator.stuck = {0, 2}
    with pytest.raises(GenerationFailedError, match="not a number"):
        await bench.service.generate(make_request("a", num_images=3))
    await settle()
    assert sorted(bench.generator.cancelled) == ["a.0", "a.2"]


async def test_an_unforeseen_error_becomes_one_of_ours() -> None:
    """Nothing but DarkroomError leaves the service."""
    bench = ServiceBench()
    bench.generator.errors[0] = [RuntimeError("boom")]
    with pytest.raises(GenerationFailedError):
        await bench.service.generate(make_request())


async def test_a_caller_who_leaves_stops_the_work() -> None:
    """Every job of the request is cancelled by its id."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    (caller,) = await bench.ask(make_request("gone", num_images=2))
    caller.cancel()
    await settle()
    assert sorted(bench.generator.cancelled) == ["gone.0", "gone.1"]


async def test_work_goes_on_while_somebody_waits_for_it() -> None:
    """A caller who leaves does not stop what another one shares, even if it was the first."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    first, second = await bench.ask(make_request("first"), make_request("second"))
    first.cancel()
    await settle()
    bench.generator.may_finish.set()
    assert len((await second).pictures) == 1
    assert bench.generator.cancelled == []


async def test_work_that_outlived_its_first_caller_is_remembered() -> None:
    """The picture goes into the cache whoever was left to take it."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    first, second = await bench.ask(make_request("first"), make_request("second"))
    first.cancel()
    bench.generator.may_finish.set()
    await second
    await bench.service.generate(make_request("third"))
    assert len(bench.generator.runs) == 1


async def test_a_stream_yields_steps_and_then_the_answer() -> None:
    """Every step is there, though the request did not ask for steps; the Generation is last."""
    bench = ServiceBench()
    events = [event async for event in bench.service.stream(make_request("s", steps=2))]
    assert events[:-1] == [JobStep(job_id="s.0", step=1, steps=2), JobStep(job_id="s.0", step=2, steps=2)]
    assert isinstance(events[-1], Generation)


async def test_a_stream_that_joins_names_its_own_jobs() -> None:
    """Steps of shared work arrive under the id of the job that listens."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    (first,) = await bench.ask(make_request("first", report_steps=True, steps=1))
    async with aclosing(bench.service.stream(make_request("second", steps=1))) as events:
        assert await anext(events) == JobStep(job_id="second.0", step=1, steps=1)
    bench.generator.may_finish.set()
    await first


async def test_a_stream_closed_early_stops_the_work() -> None:
    """Leaving the iteration cancels the job."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    async with aclosing(bench.service.stream(make_request("s"))) as events:
        await anext(events)
    await settle()
    assert bench.generator.cancelled == ["s.0"]


async def test_a_stream_raises_the_error_of_its_request() -> None:
    """An error before the first step is raised by the first read, so that it can still become a status code."""
    bench = ServiceBench()
    bench.generator.errors[0] = [OverloadedError("full", 3.0)]
    with pytest.raises(OverloadedError):
        await anext(bench.service.stream(make_request(steps=0)))


async def test_every_request_is_accounted_for() -> None:
    """It is seen arriving and ending, with its pictures or its error."""
    bench = ServiceBench()
    await bench.service.generate(make_request("good", num_images=2))
    bench.generator.errors[7] = [OverloadedError("full", 3.0)]
    with pytest.raises(OverloadedError):
        await bench.service.generate(make_request("bad", seed=7))
    assert [event.request_id for event in bench.recorder.of(RequestReceived)] == ["good", "bad"]
    good, bad = bench.recorder.of(RequestCompleted)
    assert (good.pictures, good.error_type) == (2, "")
    assert (bad.pictures, bad.error_type) == (0, "concurrent_requests_limit")


async def test_a_cancelled_request_is_accounted_for() -> None:
    """It ends as cancelled by its client."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    (caller,) = await bench.ask(make_request())
    caller.cancel()
    await settle()
    assert [event.error_type for event in bench.recorder.of(RequestCompleted)] == ["client_cancelled"]


async def test_every_delivered_picture_tells_its_cache_level() -> None:
    """Made, joined and remembered pictures are told apart, with the device time that was saved."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    callers = await bench.ask(make_request("made"), make_request("joined"))
    bench.generator.may_finish.set()
    await asyncio.gather(*callers)
    await bench.service.generate(make_request("found"))
    looked_up = {event.request_id: (event.level, event.gpu_ms_saved) for event in bench.recorder.of(CacheLookedUp)}
    assert looked_up == {
        "made": (CacheLevel.NONE, 0.0),
        "joined": (CacheLevel.JOINED, 10.0),
        "found": (CacheLevel.EXACT, 10.0),
    }
