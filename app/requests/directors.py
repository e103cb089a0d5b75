"""Who directs requests that are made of others."""

from collections.abc import Awaitable, Callable
from typing import Any

from app.compound import CompoundRequest, CompoundResult, Noted
from app.generation import JobEvent, JobStarted
from app.signals import Signal

Note = Callable[[str], None]
Director = Callable[[CompoundRequest, Note], Awaitable[dict[str, Any]]]


class Directors:
    """One director for each kind of compound request.

    What a dead process left may be taken over before the directors are there; it waits for them.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, Director] = {}
        self._changed = Signal()

    def add(self, kind: str, director: Director) -> None:
        """Let all requests of the kind be directed so; the director may be called again for one that was under way."""
        self._known[kind] = director
        self._changed.give()

    async def perform(
        self, request: CompoundRequest, listen: Callable[[JobEvent | Noted], None], arrival_s: float
    ) -> CompoundResult:
        """What comes of the request; raises the DarkroomError that ended it."""
        while request.kind not in self._known:
            await self._changed.wait()
        begun_s = self._clock()
        listen(JobStarted(job_id=request.request_id, replica=""))
        output = await self._known[request.kind](request, lambda message: listen(Noted(message)))
        return CompoundResult(
            request_id=request.request_id, output=output, inference_s=max(self._clock() - begun_s, 0.0)
        )
