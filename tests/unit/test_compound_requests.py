"""Queued work that is made of other requests, at the service."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeClock, ServiceBench, settle

from app.compound import CompoundRequest, CompoundResult
from app.errors import BadRequestError, GenerationFailedError, JobCancelledError
from app.requests import Note
from app.storage.jobs import Keeping, RequestState
from app.storage.jobs.sql_store import SqlJobStore
from app.storage.jobs.sqlite import SqliteDatabase
from app.telemetry.events import RequestCompleted


def compound(request_id: str = "a", kind: str = "errand") -> CompoundRequest:
    """Work that somebody has to direct."""
    return CompoundRequest(
        request_id=request_id, tenant="local", endpoint="e", kind=kind, document="{}", base_url="http://here"
    )


class Director:
    """Notes a line and gives an output, once `may_end` is set; raises `error` where there is one."""

    def __init__(self) -> None:
        self.directed: list[CompoundRequest] = []
        self.error: Exception | None = None
        self.may_end = asyncio.Event()
        self.stopped = False

    async def __call__(self, request: CompoundRequest, note: Note) -> dict[str, Any]:
        """Direct one request."""
        self.directed.append(request)
        note("one part is over")
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        if self.error is not None:
            raise self.error
        return {"parts": 1}


@pytest.fixture
def director() -> Director:
    """Somebody who directs."""
    return Director()


async def test_from_queued_to_completed(director: Director) -> None:
    """It runs at once, its log has what its director notes, and its result is what the director gives."""
    bench = ServiceBench()
    bench.service.direct("errand", director)
    view = await bench.service.submit(compound())
    assert (view.state, view.queue_position) == (RequestState.QUEUED, 0)
    await settle()
    assert (await bench.service.status("a")).state is RequestState.RUNNING
    await bench.clock.advance(2.0)
    director.may_end.set()
    view = await bench.completed("a")

    assert [line.message for line in view.logs] == ["queued", "started", "one part is over", "completed"]
    assert await bench.service.result("a") == CompoundResult(request_id="a", output={"parts": 1}, inference_s=2.0)
    assert [event.pictures for event in bench.recorder.of(RequestCompleted)] == [0]


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (BadRequestError("no such thing"), BadRequestError),
        (ExceptionGroup("bugs", [ValueError()]), GenerationFailedError),
    ],
)
async def test_errors(director: Director, error: Exception, kept: type[Exception]) -> None:
    """What the director raises is the request's error; a bug is told as a failure."""
    bench = ServiceBench()
    bench.service.direct("errand", director)
    director.error = error
    director.may_end.set()
    await bench.service.submit(compound())

    assert isinstance((await bench.completed("a")).error, kept)


async def test_cancelling_stops_the_director(director: Director) -> None:
    """The request is complete before its director hears of it, who so can tell a cancellation from a stop."""
    bench = ServiceBench()
    bench.service.direct("errand", director)
    await bench.service.submit(compound())
    await settle()
    await bench.service.cancel("a")
    await settle()

    assert director.stopped
    assert isinstance((await bench.service.status("a")).error, JobCancelledError)


async def test_what_a_dead_process_left_waits_for_its_director(tmp_path: Path, director: Director) -> None:
    """A gateway that has just started takes the work over, and goes on with it when the director is there."""
    keeping = Keeping(ttl_s=3600.0, max_completed=100, lease_s=10.0)

    def store(clock: FakeClock) -> SqlJobStore:
        return SqlJobStore(SqliteDatabase(tmp_path / "jobs.sqlite"), keeping, worker=str(clock.now_s), clock=clock)

    first = ServiceBench(open_jobs=store)
    first.service.direct("errand", Director())
    await first.service.start()
    await first.service.submit(compound())
    heir = ServiceBench(now_s=2000.0, open_jobs=store)
    await heir.service.start()
    await settle()
    heir.service.direct("errand", director)
    director.may_end.set()
    view = await heir.completed("a")

    assert director.directed == [compound()]
    assert view.error is None
    await first.service.close()
    await heir.service.close()
