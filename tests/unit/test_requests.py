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
    UnknownRequestError,
)
from app.generation import Generation
from app.storage.jobs import RequestState, RequestView


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
        """Take down every view."""
        seen.extend([view async for view in bench.service.watch("a")])

    watcher = asyncio.create_task(watch())
    await settle()
    bench.generator.may_start.set()
    await watcher
    assert [view.state for view in seen][:1] == [RequestState.QUEUED]
    assert seen[-1].is_completed
    assert [view.is_completed for view in seen].count(True) == 1
    assert all(later.logs[: len(view.logs)] == view.logs for view, later in pairwise(seen))


async def test_a_watcher_misses_no_change_while_it_is_busy() -> None:
    """A change that happens between two reads is there at the next one."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    bench.generator.may_finish.clear()
    await bench.service.submit(make_request("a"))
    views = bench.service.watch("a")
    await anext(views)
    bench.generator.may_start.set()
    await settle()
    reading = asyncio.ensure_future(anext(views))
    await settle()
    assert reading.done()
    assert reading.result().state is RequestState.RUNNING
    await bench.service.close()


async def test_a_start_in_the_moment_of_cancellation_changes_nothing() -> None:
    """What is complete stays complete, for the store and for those who watch."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    await bench.service.submit(make_request("a"))
    watcher = asyncio.create_task(bench.completed("a"))
    await settle()
    bench.generator.may_start.set()
    await bench.service.cancel("a")
    await settle()
    assert watcher.done()
    assert messages(watcher.result()) == ["queued", "cancelled"]


async def test_a_completed_request_can_still_be_watched() -> None:
    """The watcher gets the completed view alone."""
    bench = ServiceBench()
    await bench.service.submit(make_request("a"))
    completed = await bench.completed("a")
    assert [view async for view in bench.service.watch("a")] == [completed]


async def test_results_are_forgotten_after_their_time() -> None:
    """A result can be fetched for as long as configured, then the request is unknown."""
    bench = ServiceBench(result_ttl_s=60.0)
    await bench.service.submit(make_request("a"))
    await bench.completed("a")
    await bench.clock.advance(61.0)
    with pytest.raises(UnknownRequestError):
        await bench.service.status("a")
