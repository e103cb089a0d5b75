"""Work under way, and a search that may make it needless: whichever ends first."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from app.cache.similar.ports import Found
from app.errors import DarkroomError
from app.generation import JobEvent, JobFinished, JobStep


async def unless_found(
    events: AsyncIterator[JobEvent], search: asyncio.Task[Found | None]
) -> AsyncGenerator[JobEvent | Found, None]:
    """The events of the work, until the search finds something, which is then the last.

    A finding counts no longer once a step of the work was shown, because what was shown is expected. When the work
    cannot be done, what the search finds still answers. A search that comes too late is left to itself.
    """
    looking: asyncio.Task[Found | None] | None = search
    upcoming = asyncio.create_task(_next(events))
    try:
        while True:
            await asyncio.wait({upcoming, looking} if looking else {upcoming}, return_when=asyncio.FIRST_COMPLETED)
            if looking is not None and (looking.done() or _has_failed(upcoming)):
                found, looking = await looking, None
                if found is not None:
                    yield found
                    return
            if upcoming.done():
                event = upcoming.result()
                if isinstance(event, JobStep):
                    looking = None
                yield event
                if isinstance(event, JobFinished):
                    return
                upcoming = asyncio.create_task(_next(events))
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


async def _next(events: AsyncIterator[JobEvent]) -> JobEvent:
    """The next event; work that ends without having finished is an error of those who do it."""
    async for event in events:
        return event
    raise RuntimeError("the work ended without a picture")


def _has_failed(task: asyncio.Task[JobEvent]) -> bool:
    return task.done() and isinstance(task.exception(), DarkroomError)
