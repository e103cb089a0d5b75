"""Tells tasks that something has changed."""

import asyncio


class Signal:
    """Wakes every task that waits when it is given; those that come later wait for the next time."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def give(self) -> None:
        """Wake all who wait now."""
        self._next.set()
        self._next = asyncio.Event()

    def next_time(self) -> asyncio.Event:
        """Set when the signal is given next, counted from this call: what is read after it cannot be missed."""
        return self._next

    async def wait(self) -> None:
        """Wait for the next time."""
        await self._next.wait()
