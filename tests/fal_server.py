"""A server for official clients: the whole HTTP application over a service whose pictures are plain colours."""

import asyncio
import io
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fal_client
import fal_client.client
import uvicorn
from fakes import MemoryBlobStore
from PIL import Image

from app.api.app import create_app
from app.api.fetch import GuardedFetcher
from app.api.outbound import tls_transports
from app.cache.exact import ExactCache
from app.config import WebhookSettings, load_settings
from app.errors import StartTimeoutError
from app.generation import Job, JobEvent, JobFinished, JobStarted, JobStep, Picture, Receipt
from app.service import DarkroomService
from app.storage.jobs import Keeping, MemoryJobStore
from app.storage.keys import content_key

LOCAL = Path(__file__).resolve().parents[1] / "configs" / "local.yaml"


class Painter:
    """Paints one colour per seed; the prompt `endless` is never finished, `busy` never started."""

    def __init__(self, blobs: MemoryBlobStore) -> None:
        self._blobs = blobs

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Go through the events of one job."""
        if job.spec.prompt == "busy":
            raise StartTimeoutError("Request timed out")
        yield JobStarted(job_id=job.job_id, replica="painter")
        if job.spec.prompt == "endless":
            await asyncio.Event().wait()
        for step in range(1, job.spec.steps + 1):
            yield JobStep(job_id=job.job_id, step=step, steps=job.spec.steps)
        yield JobFinished(job_id=job.job_id, picture=await self._painted(job))

    async def cancel(self, job_id: str) -> bool:
        """Nothing outlives its caller here."""
        return False

    async def _painted(self, job: Job) -> Picture:
        spec = job.spec
        buffer = io.BytesIO()
        Image.new("RGB", (spec.width, spec.height), (spec.seed % 256, 0, 0)).save(buffer, spec.image_format.value)
        key = content_key(buffer.getvalue(), spec.image_format.value)
        await self._blobs.put(key, buffer.getvalue())
        return Picture(
            blob_key=key,
            width=spec.width,
            height=spec.height,
            image_format=spec.image_format,
            byte_count=buffer.tell(),
            receipt=Receipt(variant=spec.variant, steps=spec.steps),
        )


async def serve(listener: socket.socket, stop: threading.Event, **options: Any) -> None:
    """Serve the application on the listening socket until told to stop."""
    settings = load_settings(LOCAL)
    settings = settings.model_copy(update={"webhooks": WebhookSettings(allow_private_addresses=True)})
    blobs = MemoryBlobStore()
    jobs = MemoryJobStore(Keeping(ttl_s=60, max_completed=100), clock=time.time)
    service = DarkroomService(
        generator=Painter(blobs),
        cache=ExactCache(blobs=blobs, max_entries=100),
        jobs=jobs,
        routing=settings.routing,
        revision=lambda variant: variant,
    )
    open_transport = tls_transports()
    app = create_app(
        service=service,
        blobs=blobs,
        fetcher=GuardedFetcher(settings=settings.fetch, blobs=blobs, open_transport=open_transport),
        settings=settings,
        secret=b"s" * 32,
        outbox=jobs,
        open_transport=open_transport,
    )
    usual: dict[str, Any] = {"log_level": "warning", "lifespan": "on", "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(app, **(usual | options)))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.to_thread(stop.wait)
    server.should_exit = True
    await serving
    await service.close()


@contextmanager
def fal_server(**options: Any) -> Iterator[str]:
    """The URL of a running server; options are uvicorn's."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(listener, stop, **options)))
    thread.start()
    scheme = "https" if "ssl_certfile" in options else "http"
    yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    thread.join()


@contextmanager
def official_client(base: str) -> Iterator[fal_client.SyncClient]:
    """The client, told where the server is by the constants of its module."""
    module = vars(fal_client.client)
    ours = {
        "RUN_URL_FORMAT": f"{base}/run/",
        "QUEUE_URL_FORMAT": f"{base}/queue/",
        "REALTIME_URL_FORMAT": f"{base.replace('http', 'ws', 1)}/run/",
        "REST_URL": f"{base}/rest",
        "CDN_URL": f"{base}/cdn",
    }
    before = {name: module[name] for name in ours}
    module.update(ours)
    client = fal_client.SyncClient(key="any:key")
    yield client
    client._client.close()
    module.update(before)
