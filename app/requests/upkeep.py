"""What runs beside the work: leases are renewed, dead workers' requests taken over, and progress published."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.errors import StoreUnavailableError

logger = logging.getLogger(__name__)

PUBLISH_EVERY_S = 0.25

Act = Callable[[], Awaitable[None]]


class Upkeep:
    """Calls `tend` every `interval_s` seconds or sooner when hurried, and `publish` soon after there is something.

    A store that cannot be reached is asked again the next time.
    """

    def __init__(
        self, *, tend: Act, publish: Act, interval_s: float, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._tend = tend
        self._publish = publish
        self._interval_s = interval_s
        self._sleep = sleep
        self._hurried = asyncio.Event()
        self._unpublished = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Tend once, then begin to do both in the background."""
        await if_reachable(self._tend)
        self._tasks = [asyncio.create_task(self._tending()), asyncio.create_task(self._publishing())]

    async def stop(self) -> None:
        """Do neither any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hurry(self) -> None:
        """Tend now."""
        self._hurried.set()

    def publish_soon(self) -> None:
        """There is something to publish."""
        self._unpublished.set()

    async def _tending(self) -> None:
        while True:
            await self._until_next()
            self._hurried.clear()
            await if_reachable(self._tend)

    async def _until_next(self) -> None:
        pause = asyncio.ensure_future(self._sleep(self._interval_s))
        hurried = asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait({pause, hurried}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
            hurried.cancel()

    async def _publishing(self) -> None:
        while True:
            await self._unpublished.wait()
            self._unpublished.clear()
            await if_reachable(self._publish)
            await self._sleep(PUBLISH_EVERY_S)


async def if_reachable(act: Act) -> None:
    """Do it, or write down that the store cannot be reached."""
    try:
        await act()
    except StoreUnavailableError:
        logger.exception("the job store cannot be reached; it is asked again soon")
