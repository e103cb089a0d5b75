"""The work of a batch: every task through the queue, its pictures into the folder, its entry into the manifest."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app.batches.checking import Task
from app.cli.batch.manifest import COMPLETED, FAILED, Entry, Manifest, write_file
from app.cli.queue import Queue, Refusal, Ticket
from app.errors import DarkroomError

_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")

Told = Callable[[Entry], None]


async def work_off(
    tasks: list[Task], *, queue: Queue, folder: Path, manifest: Manifest, width: int, told: Told
) -> None:
    """Run the tasks, at most `width` at a time; `told` hears every entry once the manifest has it.

    Stopped early, by cancellation or by the first error that is not a row's own, it cancels
    what it has in the queue. Raises ServerUnreachableError and GenerationFailedError.
    """
    waiting = iter(tasks)

    async def work() -> None:
        for task in waiting:
            entry = await _entry(task, queue, folder)
            await manifest.append(entry)
            told(entry)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _entry(task: Task, queue: Queue, folder: Path) -> Entry:
    row = task.row
    ticket = await queue.submit(row.endpoint, row.arguments)
    try:
        outcome = await queue.outcome(ticket)
        about = {"id": row.row_id, "line": row.line, "row": task.digest, "request_id": ticket.request_id}
        if isinstance(outcome, Refusal):
            return about | {"status": FAILED, "error": outcome.message, "code": outcome.status}
        files = await _saved(row.row_id, outcome, queue, folder)
        return about | {"status": COMPLETED, "seed": outcome.get("seed"), "files": files}
    except BaseException:
        await _withdraw(ticket, queue)
        raise


async def _saved(row_id: str, output: dict[str, Any], queue: Queue, folder: Path) -> list[str]:
    names = []
    for name, image in _named(row_id, output):
        data = await queue.fetch(image["url"])
        await asyncio.to_thread(write_file, folder / name, data)
        names.append(name)
    return names


def _named(row_id: str, output: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pictures of an output by the names of their files: `ID.png`, or `ID.1.png` and so on for several."""
    images = output["images"] if "images" in output else [output["image"]]
    for number, image in enumerate(images, start=1):
        suffix = Path(str(image["file_name"])).suffix
        middle = f".{number}" if len(images) > 1 else ""
        yield f"{row_id}{middle}{suffix if _SUFFIX.fullmatch(suffix) else ''}", image


async def _withdraw(ticket: Ticket, queue: Queue) -> None:
    with contextlib.suppress(DarkroomError):
        await queue.cancel(ticket)
