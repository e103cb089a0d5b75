"""Queued requests: what their caller sees from the acknowledgement to the result."""

import asyncio
from itertools import pairwise

import pytest
from fakes import ServiceBench, make_request, settle

from app.errors import (
    AlreadyCompletedError,
    BadRequestError,
    GenerationFailedError,
    JobCancelledError,
    NotReadyError,
    OverloadedError,
    StartTimeoutError,
    UnknownRequestError,
)
from app.generation import Generation
from app.storage.jobs import RequestState, RequestView
from app.telemetry.events import RequestCompleted


def messages(view: RequestView) -> list[str]:
    """The log lines of a view."""
    return [line.message for line in view.logs]


async def test_a_submitted_request_is_acknowledged_before_it_is_worked_on() -> None:
    """The first view is queued, with nothing ahead and nothing done."""
    bench = ServiceBench()
    view = await bench.service.submit(make_request("a"))
    assert (view.state, view.queue_position, messages(view)) == (RequestState.QUEUED, 0, ["queued"])
    assert bench.generator.runs == []
    await bench.service.close()


async def test_a_request_goes_from_queued_to_running_to_completed() -> None:
    """Its state follows the work, and the log has a line for every state and step."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    bench.generator.may_finish.clear()
    await bench.service.submit(make_request("a", steps=2))
    await settle()
    assert (await bench.service.status("a")).state is RequestState.QUEUED
    bench.generator.may_start.set()
    await settle()
    running = await bench.service.status("a")
    assert (running.state, running.queue_position) == (RequestState.RUNNING, None)
    bench.generator.may_finish.set()
    completed = await bench.completed("a")
    assert completed.state is RequestState.COMPLETED
    assert messages(completed) == ["queued", "started", "step 1/2", "step 2/2", "completed"]


async def test_steps_of_several_pictures_are_told_apart() -> None:
    """With more than one picture, each line says which one it is about."""
    bench = ServiceBench()
    await bench.service.submit(make_request("a", steps=1, num_images=2))
    lines = messages(await bench.completed("a"))
    assert lines == ["queued", "started", "picture 1/2: step 1/1", "picture 2/2: step 1/1", "completed"]


async def test_log_lines_carry_their_time() -> None:
    """Each line has the epoch seconds at which it was written."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    await bench.service.submit(make_request("a"))
    await bench.clock.advance(3.0)
    bench.generator.may_start.set()
    queued, started, *_ = (await bench.completed("a")).logs
    assert (queued.at_s, started.at_s) == (1000.0, 1003.0)


async def test_the_result_is_repeatable() -> None:
    """A completed request answers with the same generation every time, timed from its first start."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    await bench.service.submit(make_request("a"))
    await bench.clock.advance(2.0)
    bench.generator.may_finish.set()
    view = await bench.completed("a")
    assert isinstance(view.generation, Generation)
    assert view.inference_s == 2.0
    assert await bench.service.result("a") == await bench.service.result("a") == view.generation


async def test_there_is_no_result_before_the_end() -> None:
    """Asking early raises NotReadyError."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    await bench.service.submit(make_request("a"))
    with pytest.raises(NotReadyError):
        await bench.service.result("a")
    await bench.service.close()


async def test_a_failed_request_answers_with_its_error() -> None:
    """It is complete, its view has the error, and its result raises it, every time."""
    bench = ServiceBench()
    bench.generator.errors[0] = [GenerationFailedError("not a number")]
    await bench.service.submit(make_request("a"))
    view = await bench.completed("a")
    assert (view.state, view.generation, view.inference_s) == (RequestState.COMPLETED, None, 0.0)
    assert messages(view)[-1] == "failed: not a number"
    for _ in range(2):
        with pytest.raises(GenerationFailedError, match="not a number"):
            await bench.service.result("a")


async def test_an_unknown_request_is_unknown_to_every_call() -> None:
    """Status, watch, result and cancel raise UnknownRequestError."""
    service = ServiceBench().service
    calls = [service.status("?"), anext(service.watch("?")), service.result("?"), service.cancel("?")]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UnknownRequestError] * 4


async def test_a_refused_request_completes_with_its_error() -> None:
    """What failed validation after its acknowledgement can be asked for like any other."""
    bench = ServiceBench()
    error = BadRequestError("no prompt")
    view = await bench.service.record_failure("a", "fal-ai/flux/dev", error)
    assert (view.state, view.error, view.endpoint) == (RequestState.COMPLETED, error, "fal-ai/flux/dev")
    assert await bench.service.status("a") == view
    with pytest.raises(BadRequestError):
        await bench.service.result("a")


async def test_a_waiting_request_is_cancelled() -> None:
    """It completes at once as cancelled by its client, and its work is stopped."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    await bench.service.submit(make_request("a"))
    await settle()
    await bench.service.cancel("a")
    view = await bench.service.status("a")
    assert (view.state, type(view.error)) == (RequestState.COMPLETED, JobCancelledError)
    await settle()
    assert bench.generator.cancelled == ["a.0"]
    with pytest.raises(JobCancelledError):
        await bench.service.result("a")


async def test_a_request_cancelled_in_the_moment_of_its_submission_never_runs() -> None:
    """No job is begun for it."""
    bench = ServiceBench()
    await bench.service.submit(make_request("a"))
    await bench.service.cancel("a")
    await settle()
    assert bench.generator.runs == []
    assert (await bench.service.status("a")).is_completed


async def test_a_completed_request_cannot_be_cancelled() -> None:
    """Cancelling twice, or after the result, raises AlreadyCompletedError."""
    bench = ServiceBench()
    await bench.service.submit(make_request("a"))
    await bench.completed("a")
    with pytest.raises(AlreadyCompletedError):
        await bench.service.cancel("a")


async def test_cancelling_one_request_does_not_stop_what_it_shares() -> None:
    """A second request for the same picture is served all the same."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    await bench.service.submit(make_request("a"))
    await bench.service.submit(make_request("b"))
    await settle()
    await bench.service.cancel("a")
    bench.generator.may_finish.set()
    assert (await bench.completed("b")).error is None
    assert len(bench.generator.runs) == 1


async def test_a_watcher_sees_every_state_and_the_end() -> None:
    """States only move forward, logs only grow, and the completed view is the last."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    await bench.service.submit(make_request("a"))
    seen: list[RequestView] = []

    async def watch() -> None:
        seen.extend([view async for view in bench.service.watch("a")])

    watcher = asyncio.create_task(watch())
    await settle()
    bench.generator.may_start.set()
    await watcher
    assert [view.state for view in seen][:1] == [RequestState.QUEUED]
    assert seen[-1].is_completed
    assert [view.is_completed for view in seen].count(True) == 1
    assert all(later.logs[: len(view.logs)] == view.logs for view, later in pairwise(seen))


async def test_a_completed_request_can_still_be_watched() -> None:
    """The watcher gets the completed view alone."""
    bench = ServiceBench()
    await bench.service.submit(make_request("a"))
    completed = await bench.completed("a")
    assert [view async for view in bench.service.watch("a")] == [completed]


async def test_the_place_in_the_queue_is_kept_up_to_date() -> None:
    """Positions come from the generator in the background; several pictures count by the foremost."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    await bench.service.submit(make_request("a", num_images=2))
    bench.generator.positions = {"a.0": 7, "a.1": 8}
    await bench.clock.advance(1.0)
    assert (await bench.service.status("a")).queue_position == 7
    bench.generator.positions = {"a.1": 3}
    await bench.clock.advance(1.0)
    assert (await bench.service.status("a")).queue_position == 0
    await bench.service.close()


async def test_a_request_that_joined_has_the_place_of_the_work_it_joined() -> None:
    """The job it waits for is the one that was queued first."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    await bench.service.submit(make_request("a"))
    await bench.service.submit(make_request("b"))
    bench.generator.positions = {"a.0": 5}
    await bench.clock.advance(1.0)
    assert (await bench.service.status("b")).queue_position == 5
    await bench.service.close()


async def test_nothing_is_asked_while_nothing_waits() -> None:
    """Positions are not refreshed for running or completed requests."""
    bench = ServiceBench()
    await bench.service.submit(make_request("a"))
    await bench.completed("a")
    await bench.clock.advance(1.0)
    asked = bench.generator.asked
    await bench.clock.advance(60.0)
    assert bench.generator.asked == asked


async def test_waiting_counts_requests_of_one_endpoint_that_have_not_started() -> None:
    """Running, completed and other endpoints' requests do not count; newcomers start behind those that do."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    await bench.service.submit(make_request("a", seed=1))
    await bench.service.submit(make_request("b", seed=2, endpoint="fal-ai/flux/dev"))
    assert (await bench.service.submit(make_request("c", seed=3))).queue_position == 1
    assert bench.service.waiting("fal-ai/flux/schnell") == 2
    bench.generator.may_start.set()
    await bench.completed("c")
    assert bench.service.waiting("fal-ai/flux/schnell") == 0


async def test_a_queued_request_waits_while_there_is_no_room() -> None:
    """It is not refused like a direct one, but tried again when it was told to; it counts as one request."""
    bench = ServiceBench()
    bench.generator.errors[0] = [OverloadedError("full", 5.0), OverloadedError("full", 7.0)]
    await bench.service.submit(make_request("a"))
    await bench.clock.advance(11.9)
    assert not (await bench.service.status("a")).is_completed
    await bench.clock.advance(0.2)
    assert (await bench.service.status("a")).error is None
    assert [event.error_type for event in bench.recorder.of(RequestCompleted)] == [""]
    assert {job.deadline_s for job in bench.generator.runs} == {1060.0}


async def test_a_queued_request_does_not_wait_for_room_beyond_its_start_timeout() -> None:
    """When the time to start is over it completes with StartTimeoutError."""
    bench = ServiceBench()
    bench.generator.errors[0] = [OverloadedError("full", 60.0)] * 2
    await bench.service.submit(make_request("a", start_timeout_s=4.0))
    await bench.clock.advance(3.9)
    assert not (await bench.service.status("a")).is_completed
    await bench.clock.advance(0.1)
    assert isinstance((await bench.service.status("a")).error, StartTimeoutError)


async def test_results_are_forgotten_after_their_time() -> None:
    """A result can be fetched for as long as configured, then the request is unknown."""
    bench = ServiceBench(result_ttl_s=60.0)
    await bench.service.submit(make_request("a"))
    await bench.completed("a")
    await bench.clock.advance(61.0)
    with pytest.raises(UnknownRequestError):
        await bench.service.status("a")
