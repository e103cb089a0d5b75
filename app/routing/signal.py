"""Tells tasks that something has changed."""

import asyncio


class Signal:
    """Wakes every task that waits when it is given; those that come later wait for the next time."""

    def __init__(self) -> None:
        self._given = asyncio.Event()

    def give(self) -> None:
        """Wake all who wait now."""
        self._given.set()
        self._given = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next time."""
        await self._given.wait()
