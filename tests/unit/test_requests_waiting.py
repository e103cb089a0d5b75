"""Queued requests: their place in the queue, and their patience when there is no room."""

from fakes import ServiceBench, make_request, settle

from app.errors import OverloadedError, StartTimeoutError
from app.telemetry.events import RequestCompleted


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


async def test_work_begun_again_has_its_own_place() -> None:
    """While a cancelled job is still being stopped, the next one for the same picture is already known."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    bench.generator.may_cancel.clear()
    await bench.service.submit(make_request("a"))
    await settle()
    await bench.service.cancel("a")
    await bench.service.submit(make_request("b"))
    await settle()
    bench.generator.may_cancel.set()
    bench.generator.positions = {"b.0": 6}
    await bench.clock.advance(1.0)
    assert (await bench.service.status("b")).queue_position == 6
    await bench.service.close()


async def test_nothing_is_asked_while_nothing_waits() -> None:
    """Positions are not refreshed once every request has started."""
    bench = ServiceBench()
    await bench.service.submit(make_request("a"))
    await bench.completed("a")
    await bench.clock.advance(1.0)
    assert bench.clock.sleepers == 0


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
