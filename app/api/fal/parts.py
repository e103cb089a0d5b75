"""The requests that a compound one is made of: each is submitted once, whoever directs it and however often."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from app.api.ports import Service
from app.compound import CompoundRequest, CompoundResult
from app.errors import (
    AlreadyCompletedError,
    GenerationFailedError,
    OverloadedError,
    StoreUnavailableError,
    UnknownRequestError,
)
from app.generation import Generation, GenerationRequest

_log = logging.getLogger(__name__)

STORE_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

Result = TypeVar("Result")
Make = Callable[[], Awaitable[GenerationRequest]]


class Parts:
    """Queued requests of their own in the queue of everybody.

    A store that cannot be reached is asked again; where there is no room for a part now, it comes later.
    """

    def __init__(self, service: Service, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._service = service
        self._sleep = sleep

    async def outcome(self, request_id: str, tenant: str, make: Make) -> Generation:
        """What came of the part, which `make` makes unless it is there already; raises the part's own error."""
        await self.patiently(lambda: self._submitted(request_id, tenant, make))
        await self.patiently(lambda: self._completed(request_id, tenant))
        generation = await self.patiently(lambda: self._service.result(request_id, tenant=tenant))
        if isinstance(generation, CompoundResult):
            raise GenerationFailedError(f"request {request_id} is no part")
        return generation

    async def is_known(self, request_id: str, tenant: str) -> bool:
        """Whether the part was submitted before, and is still kept."""
        try:
            await self.patiently(lambda: self._service.status(request_id, tenant=tenant))
        except UnknownRequestError:
            return False
        return True

    async def is_over(self, request: CompoundRequest) -> bool:
        """Whether the compound request itself is complete: cancelled, then, when its parts are not."""
        try:
            view = await self._service.status(request.request_id, tenant=request.tenant)
        except (StoreUnavailableError, UnknownRequestError):
            return False
        return view.is_completed

    async def cancel(self, request_ids: Iterable[str], tenant: str) -> None:
        """Stop those of the parts that are not complete."""
        for request_id in request_ids:
            try:
                await self._service.cancel(request_id, tenant=tenant)
            except (AlreadyCompletedError, UnknownRequestError):
                continue
            except StoreUnavailableError:
                _log.warning("request %s goes on, because it cannot be cancelled now", request_id)

    async def patiently(self, act: Callable[[], Awaitable[Result]]) -> Result:
        """Do it, again and again while a store cannot be reached; raises whatever else it raises."""
        while True:
            try:
                return await act()
            except StoreUnavailableError:
                await self._sleep(STORE_PAUSE_S)

    async def _submitted(self, request_id: str, tenant: str, make: Make) -> None:
        while not await self.is_known(request_id, tenant):
            try:
                await self._service.submit(await make())
            except OverloadedError as error:
                await self._sleep(min(error.retry_after_s, LONGEST_PAUSE_S))

    async def _completed(self, request_id: str, tenant: str) -> None:
        async for _ in self._service.watch(request_id, tenant=tenant):
            pass
