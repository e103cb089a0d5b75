"""A timer that can be set again."""

import asyncio
from collections.abc import Awaitable, Callable


class Alarm:
    """Calls `ring` once at the time it was last set to, in epoch seconds."""

    def __init__(
        self, *, ring: Callable[[], None], clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._sleep = sleep
        self._at_s: float | None = None
        self._task: asyncio.Task[None] | None = None

    def set(self, at_s: float | None) -> None:
        """Ring at that time, or at once when it is past; None: not at all."""
        if at_s == self._at_s:
            return
        if self._task is not None:
            self._task.cancel()
        self._at_s = at_s
        self._task = None if at_s is None else asyncio.create_task(self._wait(at_s))

    async def _wait(self, at_s: float) -> None:
        await self._sleep(max(0.0, at_s - self._clock()))
        self._at_s, self._task = None, None
        self._ring()
