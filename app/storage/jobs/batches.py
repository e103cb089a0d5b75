"""Group commit: whatever arrives while one transaction is written goes into the next one together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.errors import StoreUnavailableError

Work = TypeVar("Work")
Result = TypeVar("Result")

MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Work, Result]):
    work: Work
    done: "asyncio.Future[Result]"

    def settle(self, result: Result) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Batches(Generic[Work, Result]):
    """Does pieces of work in batches, one batch at a time, in the order in which they came.

    `perform` gives one result per piece. When a batch fails for another reason than the store
    being unreachable, its pieces are done one by one, so that each answers for itself.
    """

    def __init__(self, perform: Callable[[Sequence[Work]], Awaitable[Sequence[Result]]]) -> None:
        self._perform = perform
        self._waiting: list[_Waiting[Work, Result]] = []
        self._task: asyncio.Task[None] | None = None

    async def do(self, work: Work) -> Result:
        """The result, once the batch with this work in it is done; cancelling the call does not undo the work."""
        waiting: _Waiting[Work, Result] = _Waiting(work, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await waiting.done

    async def finish(self) -> None:
        """Wait until everything that was asked for is done."""
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        while self._waiting:
            batch = self._waiting[:MOST_AT_ONCE]
            del self._waiting[:MOST_AT_ONCE]
            await self._settle(batch)

    async def _settle(self, batch: Sequence[_Waiting[Work, Result]]) -> None:
        try:
            results = await self._perform([waiting.work for waiting in batch])
        except Exception as error:
            await self._settle_apart(batch, error)
            return
        for waiting, result in zip(batch, results, strict=True):
            waiting.settle(result)

    async def _settle_apart(self, batch: Sequence[_Waiting[Work, Result]], error: Exception) -> None:
        if len(batch) > 1 and not isinstance(error, StoreUnavailableError):
            for waiting in batch:
                await self._settle([waiting])
            return
        for waiting in batch:
            waiting.fail(error)
