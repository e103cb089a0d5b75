"""A limit to what a slow or broken neighbour may cost a request."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from app.cache.breaker import Breaker, BreakerRule

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class CallGuard:
    """Asks, and goes on without an answer after `timeout_s`, or at once while the breaker is open.

    A call that is too late is left to itself, since a thread cannot be stopped; while `max_late` of them have not come
    back, nothing new is asked.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout_s: float,
        rule: BreakerRule | None = None,
        max_late: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._rule = rule or BreakerRule()
        self._max_late = max_late
        self._clock = clock
        self._breaker = Breaker()
        self._late: set[asyncio.Task[Any]] = set()

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked now."""
        return len(self._late) >= self._max_late or not self._breaker.may_ask(self._clock())

    async def ask(self, call: Callable[[], Coroutine[Any, Any, Answer]], *, otherwise: Answer) -> Answer:
        """The answer, or `otherwise` when there is none in time, it is an error, or nothing is asked now."""
        if self.is_open:
            return otherwise
        self._breaker = self._breaker.after_asking(self._rule, self._clock())
        task = asyncio.create_task(call())
        try:
            await asyncio.wait({task}, timeout=self._timeout_s)
        finally:
            if not task.done():
                self._late.add(task)
                task.add_done_callback(self._came_late)
        if not task.done():
            return self._failed(otherwise, "no answer in time")
        if (error := task.exception()) is not None:
            return self._failed(otherwise, repr(error))
        self._breaker = self._breaker.after_success()
        return task.result()

    async def close(self) -> None:
        """Cancel what is still under way."""
        late = tuple(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _failed(self, otherwise: Answer, reason: str) -> Answer:
        was_closed = self._breaker.opens_again_s is None
        self._breaker = self._breaker.after_failure(self._rule, self._clock())
        if was_closed and self._breaker.opens_again_s is not None:
            logger.warning("%s: %s, %d times in a row; not asked for a while", self._name, reason, self._rule.failures)
        return otherwise

    def _came_late(self, task: asyncio.Task[Any]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # Marks it as seen.
