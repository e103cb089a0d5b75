"""Whether the whole graph is there, asked of a controller that may be gone."""

import asyncio
from collections.abc import Callable

PATIENCE_S = 2.0


class Readiness:
    """Answers within `patience_s` seconds, whatever becomes of the question: what cannot be told is not ready.

    Questions block a thread each, so there is one at a time and all who ask share its answer.
    """

    def __init__(self, is_running: Callable[[], bool], *, patience_s: float = PATIENCE_S) -> None:
        self._is_running = is_running
        self._patience_s = patience_s
        self._asking: asyncio.Task[bool] | None = None

    async def __call__(self) -> bool:
        """Whether everything is there."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._is_running))
        asking = self._asking
        await asyncio.wait({asking}, timeout=self._patience_s)
        return asking.done() and asking.exception() is None and asking.result()
