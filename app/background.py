"""Tasks that outlive the call that started them."""

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def detached(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """Run the work as a task that knows nothing of the call in which it was started.

    Tasks inherit the context of their starter, and Ray Serve cancels every call made in the context of a request that
    is cancelled: work that is done for others too, or goes on afterwards, would end with the first caller who leaves.
    """
    return asyncio.create_task(work, context=contextvars.Context())


class BackgroundTasks:
    """Keeps detached tasks alive until they end, and logs those that fail."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run the work as a task of its own; see `detached`."""
        task = detached(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def rest(self) -> None:
        """Wait until what runs now has ended."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        running = tuple(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a background task failed", exc_info=error)
