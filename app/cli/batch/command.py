"""`darkroom batch`: a file of jobs through a running server."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.batches.checking import EndpointInput, Task, check_rows
from app.batches.rows import FlawedRowsError, read_rows
from app.cli.batch.manifest import NAME, Manifest, opened
from app.cli.batch.work import work_off
from app.cli.client import KeyOption, ServerUnreachableError, key_for
from app.cli.generate import ENDPOINT, LOCAL_URL
from app.cli.queue import Queue
from app.errors import ConfigurationError, GenerationFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """A file of jobs to run, where its pictures go, and at most how many rows are in the queue at a time."""

    jobs: Path
    folder: Path
    endpoint: str = ENDPOINT
    width: int = 16
    retry_failed: bool = False


def batch(
    jobs: Annotated[
        Path, typer.Argument(help="JSON lines, or a .csv with a header; fields of the endpoint, and id and endpoint.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder of pictures and manifest; absent: the file's own name.")
    ] = None,
    endpoint: Annotated[str, typer.Option(help="Which endpoint draws rows that name none.")] = ENDPOINT,
    url: Annotated[str, typer.Option(help="Where the server is.")] = LOCAL_URL,
    key: KeyOption = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="How many rows are in the queue at a time.")] = 16,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run those again that failed before.")] = False,
) -> None:
    """Draw every row of a file in the batch tier; run again, it goes on where it stopped."""
    order = BatchOrder(
        jobs=jobs,
        folder=out or _folder_of(jobs),
        endpoint=endpoint,
        width=concurrency,
        retry_failed=retry_failed,
    )
    raise typer.Exit(1 if asyncio.run(_batch(order, url, key, Console())) else 0)


def _folder_of(jobs: Path) -> Path:
    if not jobs.suffix:
        raise typer.BadParameter(f"{jobs} has no ending to leave out; name a folder with --out")
    return jobs.with_suffix("")


async def _batch(order: BatchOrder, url: str, key: str | None, console: Console) -> int:
    async with httpx.AsyncClient(auth=key_for(url, key)) as http:
        return await run_batch(order, Queue(url, http), console)


async def run_batch(order: BatchOrder, queue: Queue, console: Console) -> int:
    """Run what is left of the file; how many of all its rows failed.

    Raises FlawedRowsError before anything runs, ConfigurationError for a folder of another
    batch, ServerUnreachableError when the server goes away.
    """
    tasks = await _checked(order, queue)
    with opened(order.folder, retry_failed=order.retry_failed) as manifest:
        left = _remaining(tasks, manifest, order)
        try:
            await _watched(left, len(tasks), order, queue=queue, manifest=manifest, console=console)
        except ServerUnreachableError as error:
            raise ServerUnreachableError(f"{error.detail}; the same batch then goes on where it stopped") from error
    told = f"{len(tasks)} rows: {len(left)} run now, {manifest.failed} failed in all; see {order.folder / NAME}"
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    return manifest.failed


async def _checked(order: BatchOrder, queue: Queue) -> list[Task]:
    rows, flaws = await asyncio.to_thread(read_rows, order.jobs, endpoint=order.endpoint)
    inputs = {endpoint: await _input(endpoint, queue) for endpoint in {row.endpoint for row in rows}}
    tasks, more = check_rows(rows, inputs)
    if flaws or more:
        raise FlawedRowsError(str(order.jobs), (*flaws, *more))
    return tasks


async def _input(endpoint: str, queue: Queue) -> EndpointInput | str:
    try:
        return EndpointInput(await queue.document(endpoint))
    except GenerationFailedError as error:
        return error.detail


def _remaining(tasks: list[Task], manifest: Manifest, order: BatchOrder) -> list[Task]:
    known = [(task, manifest.digest(task.row.row_id)) for task in tasks]
    for task, digest in known:
        if digest not in (None, task.digest):
            raise ConfigurationError(
                f"{order.folder} holds another row {task.row.row_id}; choose another folder with --out, or a new id"
            )
    return [task for task, digest in known if digest is None]


async def _watched(
    left: list[Task], total: int, order: BatchOrder, *, queue: Queue, manifest: Manifest, console: Console
) -> None:
    columns = (TextColumn("Drawing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        shown = progress.add_task("rows", total=total, completed=total - len(left))
        await work_off(
            left,
            queue=queue,
            folder=order.folder,
            manifest=manifest,
            width=order.width,
            told=lambda entry: progress.advance(shown),
        )
