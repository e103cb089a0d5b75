"""The official client, unmodified, against a server on this machine."""

import asyncio
import io
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import fal_client
import fal_client.client
import httpx
import pytest
import uvicorn
from fakes import MemoryBlobStore
from PIL import Image

from app.api.app import create_app
from app.api.fetch import GuardedFetcher, tls_transports
from app.cache.exact import ExactCache
from app.config import load_settings
from app.errors import StartTimeoutError
from app.generation import Job, JobEvent, JobFinished, JobStarted, JobStep, Picture, Receipt
from app.service import DarkroomService
from app.storage.jobs import MemoryJobStore
from app.storage.keys import content_key

LOCAL = Path(__file__).resolve().parents[3] / "configs" / "local.yaml"
SCHNELL = "fal-ai/flux/schnell"
ENDLESS = {"prompt": "endless"}


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


async def serve(listener: socket.socket, stop: threading.Event) -> None:
    """Serve the application on the listening socket until told to stop."""
    settings = load_settings(LOCAL)
    blobs = MemoryBlobStore()
    service = DarkroomService(
        generator=Painter(blobs),
        cache=ExactCache(blobs=blobs, max_entries=100),
        jobs=MemoryJobStore(ttl_s=60, max_completed=100, clock=time.time),
        routing=settings.routing,
        revision=lambda variant: variant,
    )
    fetcher = GuardedFetcher(settings=settings.fetch, blobs=blobs, open_transport=tls_transports())
    app = create_app(service=service, blobs=blobs, fetcher=fetcher, settings=settings)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await asyncio.to_thread(stop.wait)
    server.should_exit = True
    await serving
    await service.close()


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """The URL of a running server."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(listener, stop)))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop.set()
    thread.join()


@pytest.fixture(scope="module")
def fal(base: str) -> Iterator[fal_client.SyncClient]:
    """The client, told where the server is by the constants of its module."""
    module = fal_client.client
    before = (module.RUN_URL_FORMAT, module.QUEUE_URL_FORMAT)
    module.RUN_URL_FORMAT, module.QUEUE_URL_FORMAT = f"{base}/run/", f"{base}/queue/"
    client = fal_client.SyncClient(key="any:key")
    yield client
    client._client.close()
    module.RUN_URL_FORMAT, module.QUEUE_URL_FORMAT = before


def followed(handle: fal_client.SyncRequestHandle) -> fal_client.Completed:
    """The last status of a request, with its logs."""
    *_, last = handle.iter_events(with_logs=True)
    assert isinstance(last, fal_client.Completed)
    return last


def picture(output: dict[str, Any]) -> Image.Image:
    """The first picture of an output, fetched without a key."""
    return Image.open(io.BytesIO(httpx.get(output["images"][0]["url"]).content))


def test_run(fal: fal_client.SyncClient) -> None:
    """`run` gives pictures that anyone can fetch, in the size asked for."""
    output = fal.run(SCHNELL, arguments={"prompt": "a", "seed": 9, "image_size": {"width": 96, "height": 64}})

    assert (output["seed"], picture(output).size) == (9, (96, 64))


def test_run_path_argument(fal: fal_client.SyncClient) -> None:
    """The endpoint may be split into app and path."""
    output = fal.run("fal-ai/flux", path="/schnell", arguments={"prompt": "a", "image_size": "square"})

    assert picture(output).size == (512, 512)


def test_subscribe_sees_logs(fal: fal_client.SyncClient) -> None:
    """`subscribe` follows a request to its end and sees a log line for every step."""
    seen: list[fal_client.Status] = []
    arguments = {"prompt": "logs", "image_size": "square"}
    output = fal.subscribe(SCHNELL, arguments=arguments, with_logs=True, on_queue_update=seen.append)

    assert output["images"]
    assert isinstance(seen[-1], fal_client.Completed)
    messages = [line["message"] for line in seen[-1].logs or []]
    assert [message for message in messages if message.startswith("step")] == [f"step {n}/4" for n in range(1, 5)]


def test_result_stays(fal: fal_client.SyncClient) -> None:
    """A submitted request can be asked for again, by handle and by id."""
    handle = fal.submit(SCHNELL, arguments={"prompt": "a", "image_size": "square"}, priority="low")

    assert handle.get() == fal.result(SCHNELL, handle.request_id)
    assert isinstance(fal.status(SCHNELL, handle.request_id), fal_client.Completed)


def test_stream_ends_with_the_output(fal: fal_client.SyncClient) -> None:
    """`stream` gives progress first and the output last."""
    *progress, output = fal.stream(SCHNELL, arguments={"prompt": "stream", "image_size": "square"})

    assert [event["progress"] for event in progress] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert output["images"]


def test_cancel_ends_the_request(fal: fal_client.SyncClient) -> None:
    """A cancelled request completes with an error, and its result is a 499."""
    handle = fal.submit(SCHNELL, arguments=ENDLESS)
    handle.cancel()

    assert followed(handle).error_type == "client_cancelled"
    with pytest.raises(fal_client.FalClientHTTPError) as failed:
        handle.get()
    assert failed.value.status_code == 499


def test_client_timeout_cancels(fal: fal_client.SyncClient) -> None:
    """A client that gives up cancels its request."""
    with pytest.raises(fal_client.FalClientTimeoutError) as given_up:
        fal.subscribe(SCHNELL, arguments=ENDLESS, client_timeout=1.01)

    assert isinstance(fal.status(SCHNELL, given_up.value.request_id), fal_client.Completed)


def test_start_timeout_is_not_retried(fal: fal_client.SyncClient) -> None:
    """A request that cannot start in time fails with 504, once."""
    with pytest.raises(fal_client.FalClientHTTPError) as failed:
        fal.run(SCHNELL, arguments={"prompt": "busy"}, start_timeout=2)

    assert (failed.value.status_code, failed.value.error_type) == (504, "request_timeout")
    assert failed.value.response_headers["x-fal-request-timeout-type"] == "user"


@pytest.mark.parametrize(
    ("endpoint", "arguments", "status"),
    [(SCHNELL, {}, 422), ("no/such", {"prompt": "a"}, 404), ("fal-ai/esrgan", {"image_url": "http://127.0.0.1/"}, 422)],
)
def test_errors_reach_the_caller(
    fal: fal_client.SyncClient, endpoint: str, arguments: dict[str, Any], status: int
) -> None:
    """The client raises what the server said."""
    with pytest.raises(fal_client.FalClientHTTPError) as failed:
        fal.run(endpoint, arguments=arguments)

    assert failed.value.status_code == status


def test_invalid_input_fails_in_the_queue(fal: fal_client.SyncClient) -> None:
    """A queued request with invalid input completes with its error."""
    handle = fal.submit(SCHNELL, arguments={})
    last = followed(handle)

    assert (last.error, last.error_type) == ("Field required", "missing")


def test_output_is_input(fal: fal_client.SyncClient) -> None:
    """A picture of ours can be named by its URL, although our address is private; so can a data URI."""
    made = fal.run(SCHNELL, arguments={"prompt": "a", "image_size": {"width": 64, "height": 80}})
    enlarged = fal.run("fal-ai/esrgan", arguments={"image_url": made["images"][0]["url"], "sync_mode": True})
    again = fal.run(
        "fal-ai/flux/dev/image-to-image",
        arguments={"prompt": "b", "image_url": enlarged["image"]["url"], "num_inference_steps": 2},
    )

    assert (enlarged["image"]["width"], enlarged["image"]["height"]) == (128, 160)
    assert picture(again).size == (128, 160)


def test_body_of_50_megabytes_is_refused(base: str) -> None:
    """Far too large a body is answered with 413 while it is still being sent, and the server goes on."""
    answer = httpx.post(f"{base}/run/{SCHNELL}", content=b"x" * 50_000_000)

    assert answer.status_code == 413
    assert httpx.get(f"{base}/health").status_code == 200
