"""What every job store promises."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import FakeClock

from app.errors import GenerationFailedError, UnknownRequestError
from app.storage.jobs import JobStore, MemoryJobStore, RequestState, RequestView

TTL_S = 60.0
MAX_COMPLETED = 3

Make = Callable[[FakeClock], JobStore]


def _memory(clock: FakeClock) -> JobStore:
    return MemoryJobStore(ttl_s=TTL_S, max_completed=MAX_COMPLETED, clock=clock)


every_store = pytest.mark.parametrize("make", [pytest.param(_memory, id="memory")])


def view(request_id: str, state: RequestState = RequestState.QUEUED) -> RequestView:
    """A view in that state."""
    return RequestView(request_id=request_id, endpoint="fal-ai/flux/schnell", state=state)


@every_store
async def test_the_latest_view_is_kept(make: Make) -> None:
    """A view replaces the one before it, errors and all."""
    store = make(FakeClock())
    await store.put(view("a"))
    failed = replace(view("a", RequestState.COMPLETED), error=GenerationFailedError("no"))
    await store.put(failed)
    assert await store.get("a") == failed


@every_store
async def test_an_unknown_request_is_an_error(make: Make) -> None:
    """Asking for an id that was never put raises UnknownRequestError."""
    with pytest.raises(UnknownRequestError):
        await make(FakeClock()).get("a")


@every_store
async def test_completed_requests_are_kept_for_their_time(make: Make) -> None:
    """The time runs from completion; after it the request is unknown."""
    clock = FakeClock()
    store = make(clock)
    await store.put(view("a"))
    await clock.advance(10 * TTL_S)
    await store.put(view("a", RequestState.COMPLETED))
    await clock.advance(TTL_S)
    assert (await store.get("a")).is_completed
    await clock.advance(0.1)
    with pytest.raises(UnknownRequestError):
        await store.get("a")


@every_store
async def test_unfinished_requests_are_never_forgotten(make: Make) -> None:
    """Neither time nor the number of others drops a request that is not complete."""
    clock = FakeClock()
    store = make(clock)
    await store.put(view("queued"))
    await store.put(view("running", RequestState.RUNNING))
    for number in range(10 * MAX_COMPLETED):
        await store.put(view(str(number), RequestState.COMPLETED))
    await clock.advance(100 * TTL_S)
    assert (await store.get("queued")).state is RequestState.QUEUED
    assert (await store.get("running")).state is RequestState.RUNNING


@every_store
async def test_the_oldest_completed_requests_go_first(make: Make) -> None:
    """Beyond the limit, the request that completed longest ago is forgotten."""
    store = make(FakeClock())
    for number in range(MAX_COMPLETED + 1):
        await store.put(view(str(number)))
    for number in reversed(range(MAX_COMPLETED + 1)):
        await store.put(view(str(number), RequestState.COMPLETED))
    assert (await store.get("0")).is_completed
    with pytest.raises(UnknownRequestError):
        await store.get(str(MAX_COMPLETED))
