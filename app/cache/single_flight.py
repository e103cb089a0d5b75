"""Identical work under way is done once and shared."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from app.background import detached

Result = TypeVar("Result")
Progress = TypeVar("Progress")

Listener = Callable[[Progress], None]
Work = Callable[[Listener[Progress]], Awaitable[Result]]


class _Flight(Generic[Progress, Result]):
    """One piece of work, those aboard, and what it has reported so far."""

    def __init__(self) -> None:
        self.aboard: list[Listener[Progress]] = []
        self._reports: list[Progress] = []
        self.task: asyncio.Task[Result]

    def board(self, listen: Listener[Progress]) -> None:
        for report in self._reports:
            listen(report)
        self.aboard.append(listen)

    def report(self, progress: Progress) -> None:
        self._reports.append(progress)
        for listen in tuple(self.aboard):
            listen(progress)


class SingleFlight(Generic[Progress, Result]):
    """Joins callers that ask for the same key while the work of one of them is under way.

    Work belongs to no caller: it is cancelled only when all that wait for it have gone. When
    it fails, the error reaches the caller who began it, and another takes over with work of
    its own.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[Progress, Result]] = {}
        self._tasks: set[asyncio.Task[Result]] = set()

    async def do(self, key: Hashable, *, work: Work[Progress, Result], listen: Listener[Progress]) -> Result:
        """The result of the work under the key, begun here unless it is under way.

        `listen` hears everything the work reports, from its beginning.
        """
        while True:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._begin(key, work)
            flight.board(listen)
            try:
                await asyncio.wait({flight.task})
            finally:
                self._leave(key, flight, listen)
            if leads or flight.task.exception() is None:
                return flight.task.result()

    async def close(self) -> None:
        """Cancel all work and wait until it has ended."""
        running = tuple(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _begin(self, key: Hashable, work: Work[Progress, Result]) -> _Flight[Progress, Result]:
        flight = _Flight[Progress, Result]()
        flight.task = detached(self._fly(key, flight, work))
        self._flights[key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._landed)
        return flight

    async def _fly(self, key: Hashable, flight: _Flight[Progress, Result], work: Work[Progress, Result]) -> Result:
        try:
            return await work(flight.report)
        finally:
            self._forget(key, flight)

    def _leave(self, key: Hashable, flight: _Flight[Progress, Result], listen: Listener[Progress]) -> None:
        flight.aboard.remove(listen)
        if not flight.aboard and not flight.task.done():
            flight.task.cancel()
            self._forget(key, flight)

    def _forget(self, key: Hashable, flight: _Flight[Progress, Result]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _landed(self, task: asyncio.Task[Result]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # Marks it as seen: those aboard may have left in the same moment.
