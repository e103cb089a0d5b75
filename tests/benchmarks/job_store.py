"""What does a durable queue cost: submits per store, and status polls beside a bare FastAPI echo?

    python tests/benchmarks/job_store.py

Submits: the time until a request is committed, for one caller and for many at once, whose
requests share commits. Durable stores force each commit to the disk, so a plain append with
fdatasync on the same disk is measured beside them. Polls: one keep-alive client per lane asks
for the status of a request that the answering gateway works on, and of one that another gateway
does; echo and gateway take turns.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from fakes import MemoryBlobStore, make_levels, make_request
from fastapi import FastAPI
from job_stores import new_schema
from postgres_server import postgres, server_programs
from rich.console import Console
from rich.table import Table

from app.api.app import create_app
from app.api.fetch import GuardedFetcher
from app.api.outbound import tls_transports
from app.cli.environment import free_ports
from app.config import DarkroomSettings, StorageSettings
from app.generation import Job, JobEvent, JobStarted
from app.service import DarkroomService
from app.storage.jobs import JobStore, NewRequest, RequestView, open_jobs

CALLERS = (1, 64)
SUBMIT_S = 3.0
ROUNDS = 5
POLLS = 1500
LANES = 16
STATUS = "/queue/fal-ai/flux/requests/{}/status"


@dataclass(frozen=True, slots=True)
class Readings:
    """What one way to keep requests took."""

    latencies_s: list[float]
    elapsed_s: float

    @property
    def per_s(self) -> float:
        """Submits per second."""
        return len(self.latencies_s) / self.elapsed_s

    def percentile_ms(self, share: float) -> float:
        """Milliseconds that this share of the submits did not exceed."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    """Print both tables."""
    console = Console(width=110)
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder, _server() as url:
        console.print(asyncio.run(_submits(_stores(Path(folder, "submits"), url), Path(folder))))
        console.print(asyncio.run(_polls(_stores(Path(folder, "polls"), url))))


@contextmanager
def _server() -> Iterator[str | None]:
    programs = server_programs()
    if programs is None:
        yield None
        return
    with postgres(programs) as url:
        yield url


def _stores(folder: Path, url: str | None) -> dict[str, str]:
    """An empty store of each kind."""
    settings = {"memory": "memory", "sqlite": f"sqlite:{folder / 'jobs.sqlite'}"}
    return settings | ({} if url is None else {"postgresql": new_schema(url)})


async def _submits(settings: dict[str, str], folder: Path) -> Table:
    table = Table("store", "callers", "p50 ms", "p99 ms", "submits/s", title="Submits until they are committed")
    for callers in CALLERS:
        _add(table, "append + fdatasync", callers, await _timed(_append(folder / "log"), 1) if callers == 1 else None)
        for name, jobs in settings.items():
            async with _opened(jobs) as store:
                _add(table, name, callers, await _timed(_submit(store), callers))
    return table


def _add(table: Table, name: str, callers: int, readings: Readings | None) -> None:
    if readings is not None:
        p50, p99 = (f"{readings.percentile_ms(share):.2f}" for share in (0.5, 0.99))
        table.add_row(name, str(callers), p50, p99, f"{readings.per_s:.0f}")


@asynccontextmanager
async def _opened(jobs: str) -> AsyncIterator[JobStore]:
    store = open_jobs(StorageSettings(jobs=jobs))
    await store.open()
    yield store
    await store.close()


async def _timed(act: Callable[[], Awaitable[None]], callers: int) -> Readings:
    latencies_s: list[float] = []
    end_s = time.perf_counter() + SUBMIT_S

    async def lane() -> None:
        while (began_s := time.perf_counter()) < end_s:
            await act()
            latencies_s.append(time.perf_counter() - began_s)

    began_s = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(callers)))
    return Readings(latencies_s, time.perf_counter() - began_s)


def _submit(store: JobStore) -> Callable[[], Awaitable[None]]:
    async def submit() -> None:
        request = make_request(os.urandom(16).hex(), prompt="a red circle and a blue square " * 8)
        view = RequestView(request_id=request.request_id, endpoint=request.endpoint)
        await store.submit(NewRequest(view=view, request=request, submitted_s=0.0, deadline_s=60.0))

    return submit


def _append(file: Path) -> Callable[[], Awaitable[None]]:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def append() -> None:
        os.write(descriptor, b"x" * 1024)
        os.fdatasync(descriptor)

    return append


class _Endless:
    """A generator whose pictures are never finished, so that there is something to poll for."""

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        yield JobStarted(job_id=job.job_id, replica="endless")
        await asyncio.Event().wait()

    async def cancel(self, job_id: str) -> bool:
        return True


async def _polls(settings: dict[str, str]) -> Table:
    title = f"Status polls, {LANES} keep-alive clients, median of {ROUNDS} turns"
    table = Table("store", "asked gateway", "polls/s", "echo/s", "polls over echo", title=title)
    async with AsyncExitStack() as stack:
        echo = f"{await stack.enter_async_context(_served(_echo()))}/echo"
        for name, jobs in settings.items():
            async with AsyncExitStack() as gateways:
                near = await gateways.enter_async_context(_gateway(jobs))
                asked = {"the one at work": near}
                if name != "memory":
                    asked["another"] = await gateways.enter_async_context(_gateway(jobs))
                await _add_polls(table, name, asked, near=near, echo=echo)
    return table


async def _add_polls(table: Table, name: str, asked: dict[str, str], *, near: str, echo: str) -> None:
    async with httpx.AsyncClient() as http:
        size = {"width": 64, "height": 64}
        answer = await http.post(f"{near}/queue/fal-ai/flux/schnell", json={"prompt": "a dot", "image_size": size})
        request_id = answer.raise_for_status().json()["request_id"]
    for which, url in asked.items():
        turns = [(await _rate(url + STATUS.format(request_id)), await _rate(echo)) for _ in range(ROUNDS)]
        polls, echoes = (statistics.median(each) for each in zip(*turns, strict=True))
        ratio = statistics.median(poll / plain for poll, plain in turns)
        table.add_row(name, which, f"{polls:.0f}", f"{echoes:.0f}", f"{ratio:.2f}")


async def _rate(url: str) -> float:
    """Answers per second; the clients are a process of their own, so that they do not share the servers' loop."""
    command = [sys.executable, __file__, url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return float(output)


async def _poll(url: str) -> float:
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    async def lane() -> None:
        reader, writer = await asyncio.open_connection(name, int(port))
        for _ in range(POLLS // LANES):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            if head[9:10] != b"2":
                sys.exit(f"{url} answered {head.decode()}")
        writer.close()

    began_s = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(LANES)))
    return POLLS // LANES * LANES / (time.perf_counter() - began_s)


def _echo() -> FastAPI:
    app = FastAPI()

    @app.get("/echo")
    async def echo() -> dict[str, str]:
        return {"status": "IN_PROGRESS", "request_id": "a" * 36, "response_url": "u" * 60}

    return app


@asynccontextmanager
async def _gateway(jobs: str) -> AsyncIterator[str]:
    settings = DarkroomSettings.model_validate(
        {
            "storage": {"jobs": jobs},
            "variants": {"sketch": {"source": "builtin:sketch", "native_sizes": [[64, 64]]}},
            "endpoints": {"fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"}},
        }
    )
    blobs = MemoryBlobStore()
    store = open_jobs(settings.storage)
    service = DarkroomService(
        generator=_Endless(),
        cache=make_levels(blobs, max_entries=0),
        jobs=store,
        routing=settings.routing,
        revision=lambda variant: variant,
    )
    await service.start()
    transport = tls_transports()
    app = create_app(
        service=service,
        blobs=blobs,
        fetcher=GuardedFetcher(settings=settings.fetch, blobs=blobs, open_transport=transport),
        settings=settings,
        secret=b"s" * 32,
        outbox=store,
        open_transport=transport,
    )
    async with _served(app) as url:
        yield url
    await service.close()


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False, lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(asyncio.run(_poll(sys.argv[1])))
    else:
        main()
