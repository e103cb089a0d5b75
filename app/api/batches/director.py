"""Batches under way: a few pages at a time, each row a queued request of its own, whoever directs it."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from app.api.batches.ledger import COMPLETED, FAILED, Entry, Ledger, counted, pages
from app.api.fal.dialect import Dialect
from app.api.fal.parts import Parts
from app.api.fal.translate import Call
from app.api.fal.workflow_director import call_of
from app.batches.checking import Task
from app.compound import CompoundRequest
from app.errors import DarkroomError, JobCancelledError
from app.generation import Generation, GenerationRequest
from app.requests import Note
from app.storage.blobs import BlobStore

KIND = "batch"
ENDPOINT = "batches"
PAGES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class _Batch:
    request: CompoundRequest
    call: Call
    rows: list[list[Any]]
    ledger: Ledger

    def part(self, number: int) -> str:
        return f"{self.request.request_id}-{number}"


class BatchDirector:
    """Works off the rows of a batch; a written page is never begun again, and a row's request never repeated."""

    def __init__(self, dialect: Dialect, blobs: BlobStore) -> None:
        self._dialect = dialect
        self._blobs = blobs
        self._parts = Parts(dialect.service)

    async def direct(self, request: CompoundRequest, note: Note) -> dict[str, Any]:
        """How many rows there were, what came of them, and where their manifest is.

        When the batch is cancelled, what was over by then is on its pages, and the rest is cancelled.
        """
        batch = await self._opened(request)
        waiting = enumerate(pages(len(batch.rows)))
        async with asyncio.TaskGroup() as group:
            for _ in range(PAGES_AT_ONCE):
                group.create_task(self._work(batch, waiting, note))
        counts = counted(await self._parts.patiently(batch.ledger.read), len(batch.rows))
        return asdict(counts) | {"manifest_url": f"{request.base_url}/batches/{request.request_id}/manifest"}

    async def _opened(self, request: CompoundRequest) -> _Batch:
        status = partial(self._dialect.service.status, request.request_id, tenant=request.tenant)
        view = await self._parts.patiently(status)
        ledger = Ledger(self._blobs, request.request_id, begun_s=view.logs[0].at_s)
        rows = await asyncio.to_thread(json.loads, request.document)
        return _Batch(request, call_of(request), rows, ledger)

    async def _work(self, batch: _Batch, waiting: Iterator[tuple[int, range]], note: Note) -> None:
        for page, numbers in waiting:
            if not await self._parts.patiently(partial(batch.ledger.has, page)):
                entries = await self._page(batch, page, numbers)
                failed = sum(entry["status"] == FAILED for entry in entries)
                note(f"rows {numbers.start + 1} to {numbers.stop}: {len(entries) - failed} completed, {failed} failed")

    async def _page(self, batch: _Batch, page: int, numbers: range) -> list[Entry]:
        work = [asyncio.create_task(self._entry(batch, number)) for number in numbers]
        try:
            entries = await asyncio.gather(*work)
        except asyncio.CancelledError:
            if await self._parts.is_over(batch.request):
                await self._close(batch, page, numbers, work)
            raise
        await self._parts.patiently(lambda: batch.ledger.write(page, entries))
        return entries

    async def _close(self, batch: _Batch, page: int, numbers: range, work: list[asyncio.Task[Entry]]) -> None:
        await self._parts.cancel((batch.part(number) for number in numbers), batch.request.tenant)
        over = [task.result() if _is_done(task) else None for task in work]
        stopped = JobCancelledError("the batch was cancelled")
        entries = [entry or _failure(batch, number, stopped) for number, entry in zip(numbers, over, strict=True)]
        await batch.ledger.write(page, entries)

    async def _entry(self, batch: _Batch, number: int) -> Entry:
        make = partial(self._asked, batch, number)
        try:
            generation = await self._parts.outcome(batch.part(number), batch.request.tenant, make)
            output = await self._parts.patiently(lambda: self._output(batch, number, generation))
        except DarkroomError as error:
            return _failure(batch, number, error)
        images = output["images"] if "images" in output else [output["image"]]
        files = [image["url"] for image in images]
        return _about(batch, number) | {"status": COMPLETED, "seed": output.get("seed"), "files": files}

    async def _asked(self, batch: _Batch, number: int) -> GenerationRequest:
        _, _, endpoint_id, arguments, _ = batch.rows[number]
        endpoint = self._dialect.endpoints.find(endpoint_id)
        call = replace(batch.call, request_id=batch.part(number))
        return await self._dialect.translator.request(endpoint, arguments, call)

    async def _output(self, batch: _Batch, number: int, generation: Generation) -> dict[str, Any]:
        endpoint = self._dialect.endpoints.find(batch.rows[number][2])
        return await self._dialect.output(endpoint, generation, batch.request.base_url, inline=False)


def document_of(tasks: list[Task]) -> str:
    """What a compound request keeps of its rows."""
    rows = [(task.row, task.digest) for task in tasks]
    return json.dumps([[row.line, row.row_id, row.endpoint, row.arguments, digest] for row, digest in rows])


def _about(batch: _Batch, number: int) -> Entry:
    line, row_id, _, _, digest = batch.rows[number]
    return {"id": row_id, "line": line, "row": digest, "request_id": batch.part(number)}


def _failure(batch: _Batch, number: int, error: DarkroomError) -> Entry:
    return _about(batch, number) | {"status": FAILED, "error": error.detail, "code": error.status}


def _is_done(task: asyncio.Task[Entry]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
