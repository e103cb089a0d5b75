"""Work and search side by side: whichever ends first answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fakes import MemoryBlobStore, settle
from similar_fakes import drawn

from app.cache.similar.ports import Found
from app.cache.similar.racing import unless_found
from app.cache_levels import SimilarityEvidence
from app.errors import OverloadedError
from app.generation import JobEvent, JobFinished, JobStarted, JobStep

EVIDENCE = SimilarityEvidence(entry="e", similarity=0.9, bound=0.1, audits=40)
STARTED = JobStarted(job_id="j", replica="r")
STEP = JobStep(job_id="j", step=1, steps=4)


async def a_find() -> Found:
    """A picture that was found."""
    picture = await drawn(MemoryBlobStore(), "a.png")
    return Found(picture=picture, band=0, was_audited=False, evidence=EVIDENCE)


class Work:
    """Yields events, waiting before each until the test lets it; then fails or hangs."""

    def __init__(self, *events: JobEvent, error: Exception | None = None) -> None:
        self._events = events
        self._error = error
        self.may_go = asyncio.Event()
        self.was_closed = False

    async def __call__(self) -> AsyncIterator[JobEvent]:
        """The events."""
        try:
            for event in self._events:
                yield event
            await self.may_go.wait()
            if self._error is not None:
                raise self._error
            yield JobFinished(job_id="j", picture=await drawn(MemoryBlobStore(), "made.png"))
        finally:
            self.was_closed = True


class Search:
    """Finds something, or nothing, when the test says so."""

    def __init__(self, found: Found | None) -> None:
        self._found = found
        self.may_end = asyncio.Event()

    async def __call__(self) -> Found | None:
        """What is found; nobody is asked to wait for it."""
        await self.may_end.wait()
        return self._found


async def test_a_find_ends_waiting_work() -> None:
    """It is the last that is heard, and the work is told to end."""
    work, search = Work(STARTED), Search(await a_find())
    events = unless_found(work(), asyncio.create_task(search()))
    assert await anext(events) == STARTED
    search.may_end.set()

    assert [event async for event in events] == [await a_find()]
    assert work.was_closed


async def test_work_goes_on_where_nothing_is_found() -> None:
    """A search without a result is not noticed."""
    work, search = Work(STARTED), Search(None)
    search.may_end.set()
    work.may_go.set()
    heard = [type(event) async for event in unless_found(work(), asyncio.create_task(search()))]

    assert heard == [JobStarted, JobFinished]


async def test_work_that_ends_first_wins() -> None:
    """A slow search delays nobody, and goes on for what it may learn."""
    work, search = Work(), Search(await a_find())
    work.may_go.set()
    looking = asyncio.create_task(search())
    heard = [type(event) async for event in unless_found(work(), looking)]
    search.may_end.set()

    assert heard == [JobFinished]
    assert await looking == await a_find()


async def test_what_was_shown_becomes_the_picture() -> None:
    """Once a step was seen, a find counts no longer."""
    work, search = Work(STARTED, STEP), Search(await a_find())
    events = unless_found(work(), asyncio.create_task(search()))
    heard = [await anext(events), await anext(events)]
    search.may_end.set()
    await settle()
    work.may_go.set()

    assert heard == [STARTED, STEP]
    assert [type(event) async for event in events] == [JobFinished]


@pytest.mark.parametrize("finds", [True, False])
async def test_a_find_answers_when_there_is_no_room(finds: bool) -> None:
    """Work that is refused waits for the search; without a find its error stands."""
    work = Work(error=OverloadedError("full", 1.0))
    search = Search(await a_find() if finds else None)
    work.may_go.set()
    heard = asyncio.create_task(anext(unless_found(work(), asyncio.create_task(search()))))
    await settle()
    search.may_end.set()

    if finds:
        assert isinstance(await heard, Found)
    else:
        with pytest.raises(OverloadedError):
            await heard
