"""Queued requests: their place in the queue, and their patience when there is no room."""

from fakes import ServiceBench, make_request
from hypothesis import given
from hypothesis import strategies as st

from app.errors import OverloadedError, StartTimeoutError
from app.generation import GenerationRequest, Tier
from app.requests import WaitingOrder
from app.telemetry.events import RequestCompleted


async def waiting_requests(bench: ServiceBench, *requests: GenerationRequest) -> list[int | None]:
    """The places of requests that are submitted one after the other while nothing can start."""
    bench.generator.may_start.clear()
    for request in requests:
        await bench.service.submit(request)
    return [(await bench.service.status(request.request_id)).queue_position for request in requests]


async def test_a_more_urgent_tier_is_ahead_although_it_came_later() -> None:
    """Places follow the deadlines of the tiers, as the router does; a latecomer pushes the others back at once."""
    bench = ServiceBench()
    low, normal, second = (
        make_request("low", tier=Tier.BATCH, seed=1), make_request("a", seed=2), make_request("b", seed=3)
    )  # fmt: skip

    assert await waiting_requests(bench, low, normal, second) == [2, 0, 1]

    await bench.service.close()


async def test_variants_have_queues_of_their_own() -> None:
    """Nobody waits behind a request for another variant."""
    bench = ServiceBench()

    places = await waiting_requests(bench, make_request("a"), make_request("b", variant="other"))

    assert places == [0, 0]
    await bench.service.close()


async def test_those_behind_move_up_when_one_leaves() -> None:
    """A watcher of a waiting request hears its new place when the one ahead is cancelled."""
    bench = ServiceBench()
    await waiting_requests(bench, make_request("a", seed=1), make_request("b", seed=2))
    views = bench.service.watch("b")
    first = await anext(views)
    await bench.service.cancel("a")

    assert [first.queue_position, (await anext(views)).queue_position] == [1, 0]
    await views.aclose()
    await bench.service.close()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.booleans()), max_size=30))
def test_places_are_those_of_a_sorted_list(steps: list[tuple[str, int, bool]]) -> None:
    """Whatever comes and goes, a place is the number of requests of the variant with an earlier or older deadline."""
    order, waiting = WaitingOrder(), []
    for number, (variant, deadline_s, leaves) in enumerate(steps):
        order.add(str(number), variant=variant, deadline_s=deadline_s)
        waiting.append((variant, deadline_s, number))
        if leaves:
            assert order.remove(str(waiting.pop(0)[2]))

    expected = [sum(other[0] == one[0] and other[1:] < one[1:] for other in waiting) for one in waiting]
    assert [order.position(str(number)) for _, _, number in waiting] == expected


def test_who_does_not_wait_has_no_place() -> None:
    """Position is None, and removing changes nothing, for a request that never came or has left."""
    order = WaitingOrder()
    order.add("a", variant="v", deadline_s=1.0)

    assert order.remove("a")
    assert not order.remove("a")
    assert order.position("a") is None


async def test_waiting_counts_requests_of_one_endpoint_that_have_not_started() -> None:
    """Running, completed and other endpoints' requests do not count; a place counts all of the variant."""
    bench = ServiceBench()
    bench.generator.may_start.clear()
    await bench.service.submit(make_request("a", seed=1))
    await bench.service.submit(make_request("b", seed=2, endpoint="fal-ai/flux/dev"))
    assert (await bench.service.submit(make_request("c", seed=3))).queue_position == 2
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
