"""The requests that a compound one is made of."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakes import FakeClock, make_request

from app.api.fal.parts import Parts
from app.errors import (
    AlreadyCompletedError,
    BadRequestError,
    OverloadedError,
    StoreUnavailableError,
    UnknownRequestError,
)
from app.generation import Generation, GenerationRequest
from app.storage.jobs import RequestState, RequestView


class Shop:
    """A service that knows requests by id; `troubles` are raised by its next calls, one each."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.known: dict[str, RequestView] = {}
        self.cancelled: list[str] = []
        self.troubles: list[Exception] = []
        self.error: Exception | None = None

    def _trouble(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)

    async def submit(self, request: GenerationRequest) -> RequestView:
        """Complete it at once."""
        self._trouble()
        self.submitted.append(request.request_id)
        view = RequestView(request_id=request.request_id, endpoint="e", state=RequestState.COMPLETED)
        self.known[request.request_id] = view
        return view

    async def status(self, request_id: str, *, tenant: str) -> RequestView:
        """What is known."""
        self._trouble()
        if request_id not in self.known:
            raise UnknownRequestError("no such request")
        return self.known[request_id]

    async def watch(self, request_id: str, *, tenant: str) -> AsyncIterator[RequestView]:
        """The one view."""
        yield await self.status(request_id, tenant=tenant)

    async def result(self, request_id: str, *, tenant: str) -> Generation:
        """An answer without pictures."""
        self._trouble()
        if self.error is not None:
            raise self.error
        return Generation(request_id=request_id, prompt="", seed=1, pictures=(), inference_s=0.0)

    async def cancel(self, request_id: str, *, tenant: str) -> None:
        """Remember it."""
        self._trouble()
        self.cancelled.append(request_id)


async def asked() -> GenerationRequest:
    """The request that a part is."""
    return make_request("part")


async def outcome(shop: Any) -> Generation:
    """What comes of the part."""
    clock = FakeClock()
    return await clock.run(Parts(shop, sleep=clock.sleep).outcome("part", "local", asked))


async def test_a_part_is_submitted_once() -> None:
    """Asked for again, by whoever directs now, it is the request that it was."""
    shop = Shop()
    assert (await outcome(shop)).request_id == (await outcome(shop)).request_id == "part"
    assert shop.submitted == ["part"]


@pytest.mark.parametrize("calls", range(6))
async def test_a_store_that_comes_back(calls: int) -> None:
    """Whenever the store cannot be reached for a while, the part is waited for all the same."""
    shop = Shop()
    shop.troubles = [StoreUnavailableError("gone")] * calls
    assert (await outcome(shop)).seed == 1
    assert shop.submitted == ["part"]


async def test_no_room_for_a_part() -> None:
    """A part for which there is no room comes later."""
    shop = Shop()
    shop.troubles = [UnknownRequestError("no"), OverloadedError("full", 5.0)]
    assert (await outcome(shop)).seed == 1
    assert shop.submitted == ["part"]


async def test_the_error_of_a_part() -> None:
    """It is raised as it is."""
    shop = Shop()
    shop.error = BadRequestError("no such thing")
    with pytest.raises(BadRequestError):
        await outcome(shop)


async def test_cancelling() -> None:
    """Parts that are over, unknown or out of reach keep none of the others from being cancelled."""
    shop = Shop()
    shop.troubles = [AlreadyCompletedError("late"), UnknownRequestError("who"), StoreUnavailableError("gone")]
    await Parts(shop).cancel(["a", "b", "c", "d"], "local")
    assert shop.cancelled == ["d"]
