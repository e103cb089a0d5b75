"""Direct calls through HTTP."""

import asyncio
import base64
from collections.abc import Callable

import httpx
import pytest
from asgi import RawCall, events
from fake_service import FakeFetcher, FakeService
from fakes import MemoryBlobStore, settle
from fastapi import FastAPI

from app.config import DarkroomSettings
from app.errors import GenerationFailedError, ReplicaLostError, StartTimeoutError
from app.generation import JobStep, Task, Tier

SCHNELL = "/run/fal-ai/flux/schnell"
PROMPT = {"prompt": "a red circle", "image_size": "square", "seed": 11}


async def test_run_answers_fal_output(client: httpx.AsyncClient) -> None:
    """A run answers pictures by URL with seed, prompt, timings, safety flags and receipts."""
    answer = await client.post(SCHNELL, json=PROMPT)

    output = answer.json()
    assert answer.status_code == 200
    assert output["images"] == [
        {
            "url": "http://darkroom/files/0123abcd.png",
            "width": 512,
            "height": 512,
            "content_type": "image/jpeg",
            "file_name": "0123abcd.png",
            "file_size": 4,
        }
    ]
    assert (output["seed"], output["prompt"]) == (11, "a red circle")
    assert output["timings"] == {"inference": 0.25}
    assert output["has_nsfw_concepts"] == [False]
    assert output["receipts"][0]["variant"] == "sketch"
    assert answer.headers["x-fal-served-from"] == "sketch#1"


async def test_run_is_interactive_work_under_the_calls_id(client: httpx.AsyncClient, service: FakeService) -> None:
    """A direct call runs in the interactive tier, and its id is the one in the answer's header."""
    answer = await client.post(SCHNELL, json=PROMPT)

    (request,) = service.requests
    assert request.tier is Tier.INTERACTIVE
    assert answer.headers["x-fal-request-id"] == request.request_id == "call-1"


async def test_missing_seed_is_drawn_and_echoed(client: httpx.AsyncClient) -> None:
    """A request without a seed gets a random one, which the answer names."""
    answer = await client.post(SCHNELL, json={"prompt": "a dot"})

    assert answer.json()["seed"] == 7


async def test_sync_mode_answers_data_uris(client: httpx.AsyncClient) -> None:
    """With sync_mode the picture itself is in the answer."""
    answer = await client.post(SCHNELL, json={**PROMPT, "sync_mode": True})

    url = answer.json()["images"][0]["url"]
    head, _, payload = url.partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(payload) == b"\x89PNG"


@pytest.mark.parametrize(
    "path", ["/run/fal-ai/flux/schnell/", "/fal-ai/flux/schnell", "/fal-ai/flux/schnell/", "/run/fal-ai/flux/schnell"]
)
async def test_endpoints_have_several_spellings(client: httpx.AsyncClient, path: str) -> None:
    """Run works with and without its prefix, and with a slash at the end."""
    answer = await client.post(path, json=PROMPT)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["/run/no/such", "/no/such", "/run/fal-ai/flux", "/queue/no/such", "/run/no/such/stream"]
)
async def test_unknown_endpoint_is_404_in_fals_words(client: httpx.AsyncClient, path: str) -> None:
    """An endpoint that is not served answers 404 with its path."""
    answer = await client.post(path, json=PROMPT)

    assert answer.status_code == 404
    assert answer.json()["detail"].endswith(" not found")
    assert answer.headers["x-fal-request-id"]


async def test_image_to_image_follows_the_input_picture(
    client: httpx.AsyncClient, service: FakeService, fetcher: FakeFetcher, blobs: MemoryBlobStore
) -> None:
    """Image-to-image stores the input and delivers its size; the fetcher learns our own base URL."""
    await client.post("/run/fal-ai/flux/dev/image-to-image", json={"prompt": "x", "image_url": "http://a/b.png"})

    spec = service.requests[0].spec
    assert (spec.task, spec.width, spec.height) == (Task.IMAGE_TO_IMAGE, 160, 120)
    assert (spec.strength, spec.source_key in blobs.files) == (0.95, True)
    assert fetcher.asked == [("http://a/b.png", "http://darkroom")]


async def test_upscalers_answer_one_image(client: httpx.AsyncClient, service: FakeService) -> None:
    """An upscaler delivers scale times the input, as `image`."""
    answer = await client.post("/run/fal-ai/esrgan", json={"image_url": "http://a/b.png", "scale": 3})

    assert service.requests[0].spec.task is Task.UPSCALE
    assert (answer.json()["image"]["width"], answer.json()["image"]["height"]) == (480, 360)
    assert "receipt" in answer.json()


async def test_start_timeout_travels_with_the_request(client: httpx.AsyncClient, service: FakeService) -> None:
    """X-Fal-Request-Timeout is the longest wait for a start."""
    await client.post(SCHNELL, json=PROMPT, headers={"X-Fal-Request-Timeout": "1.5"})

    assert service.requests[0].start_timeout_s == 1.5


async def test_unforeseen_error_is_a_bare_500(
    client: httpx.AsyncClient, service: FakeService, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of ours is logged with the request's id and answered without its story."""
    service.error = RuntimeError("secret path /etc")
    answer = await client.post(SCHNELL, json=PROMPT)

    assert answer.status_code == 500
    assert answer.json() == {"detail": "Internal server error", "error_type": "internal_error"}
    assert answer.headers["x-fal-request-id"] == "call-1"
    assert "call-1" in caplog.text


async def test_failures_are_answered_in_their_form(client: httpx.AsyncClient, service: FakeService) -> None:
    """A failure of the service becomes its own status, body and headers."""
    service.error = StartTimeoutError("Request timed out")
    answer = await client.post(SCHNELL, json=PROMPT)

    assert answer.status_code == 504
    assert answer.headers["x-fal-request-timeout-type"] == "user"


async def test_stream_begins_with_progress_and_ends_with_the_output(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    """Streamed steps count up to one; the last event is the output of a run."""
    service.steps = tuple(JobStep(job_id="a", step=step, steps=2) for step in (1, 2))
    answer = await client.post(f"{SCHNELL}/stream", json=PROMPT)

    *progress, output = events(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event["progress"] for event in progress] == [0.0, 0.5, 1.0]
    assert output["images"][0]["width"] == 512


async def test_stream_counts_the_steps_of_all_pictures(client: httpx.AsyncClient, service: FakeService) -> None:
    """With two pictures, the first one's last step is half the work."""
    service.steps = tuple(JobStep(job_id=job, step=step, steps=2) for job in ("a", "b") for step in (1, 2))
    answer = await client.post(f"{SCHNELL}/stream", json={**PROMPT, "num_images": 2})

    assert [event["progress"] for event in events(answer.text)[:-1]] == [0.0, 0.25, 0.5, 0.75, 1.0]


async def test_stream_of_a_remembered_picture_still_has_two_events(client: httpx.AsyncClient) -> None:
    """Where nothing is drawn, one progress event still comes before the output."""
    answer = await client.post(f"{SCHNELL}/stream", json=PROMPT)

    assert len(events(answer.text)) == 2


async def test_stream_that_fails_before_its_first_event_answers_the_error(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    """Before anything was sent, a stream fails like a run."""
    service.error = GenerationFailedError("it broke")
    answer = await client.post(f"{SCHNELL}/stream", json=PROMPT)

    assert answer.status_code == 500
    assert answer.json()["detail"][0]["type"] == "internal_server_error"


async def test_stream_that_fails_later_says_so_and_is_cut(app: FastAPI, service: FakeService) -> None:
    """After the first event, the error is the last event and the answer never gets its end."""
    service.steps = (JobStep(job_id="a", step=1, steps=2),)
    service.late_error = ReplicaLostError("the replica died")
    call = RawCall(app, f"{SCHNELL}/stream", PROMPT)
    await call.run()

    last = call.sent[-1]
    assert events(last["body"].decode()) == [{"detail": "the replica died", "error_type": "runner_disconnected"}]
    assert last["more_body"]


@pytest.mark.parametrize("path", [SCHNELL, f"{SCHNELL}/stream"])
async def test_client_that_leaves_stops_the_work(app: FastAPI, service: FakeService, path: str) -> None:
    """When the connection drops, the service's work is cancelled."""
    service.gate.clear()
    call = RawCall(app, path, PROMPT)
    served = asyncio.create_task(call.run())
    await service.started.wait()
    call.gone.set()
    await served

    assert service.stopped.is_set()


async def test_client_that_leaves_during_a_stream_stops_the_work(app: FastAPI, service: FakeService) -> None:
    """Events that were sent already do not save the work of a client that left."""
    service.steps = (JobStep(job_id="a", step=1, steps=2),)
    service.gate.clear()
    call = RawCall(app, f"{SCHNELL}/stream", PROMPT)
    served = asyncio.create_task(call.run())
    await service.started.wait()
    call.gone.set()
    await served

    assert service.stopped.is_set()


@pytest.mark.parametrize(("path", "steps"), [(SCHNELL, 0), (f"{SCHNELL}/stream", 0), (f"{SCHNELL}/stream", 1)])
async def test_work_outlives_its_client_where_so_configured(
    app_of: Callable[..., FastAPI], service: FakeService, settings: DarkroomSettings, path: str, steps: int
) -> None:
    """With cancel_on_disconnect off, the work of a client that left goes on."""
    server = settings.server.model_copy(update={"cancel_on_disconnect": False})
    service.steps = tuple(JobStep(job_id="a", step=1, steps=2) for _ in range(steps))
    service.gate.clear()
    call = RawCall(app_of(settings.model_copy(update={"server": server})), path, PROMPT)
    served = asyncio.create_task(call.run())
    await service.started.wait()
    call.gone.set()
    await settle()
    service.gate.set()
    await served

    assert not service.stopped.is_set()
