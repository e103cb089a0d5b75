"""What every outbox promises."""

import asyncio
from dataclasses import replace
from typing import Any

from fakes import FakeClock, make_request
from job_stores import LEASE_S, Workers

from app.errors import LeaseLostError
from app.storage.jobs import JobStore, Message, NewRequest, RequestState, RequestView


def message(message_id: str, *, due_s: float = 1000.0) -> Message:
    """A message that is due when the clock starts, unless told otherwise."""
    return Message(message_id=message_id, destination="https://caller/hook", body='{"ü": 1}', due_s=due_s)


def completed(request_id: str) -> RequestView:
    """A view that will not change any more."""
    return RequestView(request_id=request_id, endpoint="fal-ai/flux/schnell", state=RequestState.COMPLETED)


async def due(store: JobStore, limit: int = 10) -> list[str]:
    """The ids of what is due now, in order; it is due again after five seconds."""
    return sorted(each.message_id for each in await store.due(limit, lease_s=5.0))


async def test_a_message_is_due_at_its_time(store: JobStore, clock: FakeClock) -> None:
    """Not before, and then with everything that was put."""
    await store.put([message("a", due_s=1010.0)])
    assert await due(store) == []
    await clock.advance(10.0)
    (found,) = await store.due(10, lease_s=5.0)
    assert replace(found, due_s=1010.0) == message("a", due_s=1010.0)


async def test_a_message_is_due_again_until_it_is_delivered(store: JobStore, clock: FakeClock) -> None:
    """A sender that dies with it delays it; a delivered one is gone."""
    await store.put([message("a")])
    assert await due(store) == ["a"]
    assert await due(store) == []
    await clock.advance(5.0)
    assert await due(store) == ["a"]
    await store.delivered("a")
    await clock.advance(100.0)
    assert await due(store) == []


async def test_a_failed_delivery_is_counted_and_put_off(store: JobStore, clock: FakeClock) -> None:
    """The message comes back at the time that was asked for."""
    await store.put([message("a")])
    await due(store)
    await store.failed("a", retry_at_s=1060.0)
    await clock.advance(59.0)
    assert await due(store) == []
    await clock.advance(1.0)
    (again,) = await store.due(10, lease_s=5.0)
    assert again.attempts == 1


async def test_a_lost_message_comes_back_as_soon_as_its_delivery_should_be_over(
    store: JobStore, clock: FakeClock
) -> None:
    """First deliveries are leased for a shorter time than later ones, whose receivers may take longer."""
    await store.put([message("first"), message("later")])
    await store.due(10, lease_s=1.0)
    await store.failed("later", retry_at_s=1000.0)
    await clock.advance(1.0)
    assert len(await store.due(10, lease_s=5.0, retry_lease_s=50.0)) == 2
    await clock.advance(5.0)
    assert await due(store) == ["first"]
    await store.delivered("first")
    await clock.advance(45.0)
    assert await due(store) == ["later"]


async def test_a_message_is_put_once(store: JobStore) -> None:
    """A second one with the same id is ignored."""
    await store.put([message("a"), message("b")])
    await store.put([message("a", due_s=5000.0)])
    assert await due(store) == ["a", "b"]


async def test_the_oldest_go_first(store: JobStore) -> None:
    """When more are due than asked for, those that have waited longest are given."""
    await store.put([message("late", due_s=999.0), message("early", due_s=1.0), message("between", due_s=500.0)])
    assert await due(store, 2) == ["between", "early"]
    assert await due(store, 2) == ["late"]


async def test_two_senders_never_get_the_same_message(store: JobStore, workers: Workers) -> None:
    """Each message goes to one of those who ask at the same time."""
    names = [f"{number:02}" for number in range(40)]
    await store.put([message(name) for name in names])
    senders = [await workers.another() for _ in range(4)]
    found = await asyncio.gather(*(due(sender, 5) for sender in senders for _ in range(3)))
    assert sorted(name for names in found for name in names) == names


async def test_unknown_messages_are_ignored(store: JobStore) -> None:
    """Delivering or failing what is not there changes nothing."""
    await store.delivered("a")
    await store.failed("a", retry_at_s=0.0)
    assert await due(store) == []


async def test_a_result_and_its_message_are_one(store: JobStore, clock: FakeClock) -> None:
    """The completion that counts puts its message; one that came too late puts none."""
    request = make_request("a")
    view = RequestView(request_id="a", endpoint=request.endpoint)
    lease = (await store.submit(NewRequest(view=view, request=request, submitted_s=1000.0, deadline_s=1060.0))).lease
    assert lease is not None
    await clock.advance(LEASE_S + 0.1)
    (claim,) = await store.claim(1)
    outcomes: list[Any] = [
        await asyncio.gather(
            store.complete(each, replace(completed("a"), inference_s=number), messages=[message(str(number))]),
            return_exceptions=True,
        )
        for number, each in enumerate([lease, claim.lease, claim.lease])
    ]
    assert isinstance(outcomes[0][0], LeaseLostError)
    assert await due(store) == ["1"]


async def test_a_refused_request_puts_its_message_once(store: JobStore) -> None:
    """What completes with its submission sends its message with it, also when the call is repeated."""
    new = NewRequest(view=completed("a"), request=None, submitted_s=1000.0, deadline_s=1000.0, messages=(message("a"),))
    await store.submit(new)
    await store.submit(new)
    assert await due(store) == ["a"]
