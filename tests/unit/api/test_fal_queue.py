"""Queued calls through HTTP."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from asgi import events
from fake_service import FakeService

from app.errors import InvalidInputError, JobCancelledError
from app.generation import Tier
from app.handling import Webhook
from app.storage.jobs import LogLine, RequestState, RequestView

SCHNELL = "/queue/fal-ai/flux/schnell"
REQUEST = "/queue/fal-ai/flux/requests/call-1"
PROMPT = {"prompt": "a red circle", "image_size": "square"}


@pytest.fixture
async def completed(client: httpx.AsyncClient, service: FakeService) -> None:
    """A submitted request, call-1, whose pictures are there."""
    await client.post(SCHNELL, json=PROMPT)
    (request,) = service.requests
    generation = await service.generate(request)
    view = await service.status("call-1")
    service.views["call-1"].append(replace(view, state=RequestState.COMPLETED, generation=generation, inference_s=0.25))


async def test_submit_is_acknowledged_with_the_requests_urls(client: httpx.AsyncClient, service: FakeService) -> None:
    """A submit answers its id, its place and three URLs under owner and alias alone."""
    service.queued = 3
    answer = await client.post("/queue/fal-ai/flux/dev/image-to-image", json={"prompt": "x", "image_url": "http://a/b"})

    url = "http://darkroom/queue/fal-ai/flux/requests/call-1"
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "IN_QUEUE",
        "request_id": "call-1",
        "gateway_request_id": "call-1",
        "response_url": url,
        "status_url": f"{url}/status",
        "cancel_url": f"{url}/cancel",
        "queue_position": 3,
    }


@pytest.mark.parametrize(("headers", "tier"), [({}, "standard"), ({"X-Fal-Queue-Priority": "low"}, "batch")])
async def test_priority_chooses_the_tier(
    client: httpx.AsyncClient, service: FakeService, headers: dict[str, str], tier: str
) -> None:
    """Queued work is standard, or batch when its priority is low."""
    await client.post(SCHNELL, json=PROMPT, headers=headers)

    assert service.requests[0].tier is Tier(tier)


@pytest.mark.parametrize("body", [b"{}", b"", b"{", b"[]", b'{"prompt": 7}'])
async def test_invalid_input_is_accepted_and_completes_with_its_error(
    client: httpx.AsyncClient, service: FakeService, body: bytes
) -> None:
    """What the model would refuse is acknowledged like any other request; the result is a 422."""
    submit = await client.post(SCHNELL, content=body)
    result = await client.get(REQUEST)

    assert (submit.status_code, submit.json()["status"]) == (200, "IN_QUEUE")
    assert isinstance(service.failures[0], InvalidInputError)
    assert result.status_code == 422
    assert result.json()["detail"][0]["loc"][0] == "body"


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?fal_max_queue_length=few", {}),
        ("?fal_webhook=ftp://a/b", {}),
        ("?fal_webhook=hook", {}),
        ("?fal_webhook=http://[::bad/", {}),
        ("?fal_webhook=http://a/" + "b" * 2048, {}),
        ("", {"X-Fal-Request-Timeout": "soon"}),
        ("", {"X-Fal-Queue-Priority": "highest"}),
    ],
)
async def test_malformed_call_is_refused_at_once(
    client: httpx.AsyncClient, service: FakeService, query: str, headers: dict[str, str]
) -> None:
    """A header or parameter that cannot be honoured is a 400, and nothing is queued."""
    answer = await client.post(SCHNELL + query, json=PROMPT, headers=headers)

    assert (answer.status_code, answer.json()["error_type"]) == (400, "bad_request")
    assert service.views == {}


async def test_a_webhook_is_kept_with_its_request(client: httpx.AsyncClient, service: FakeService) -> None:
    """The URL that shall be told, and where its receiver finds files, belong to the request, valid or not."""
    hook = "http://a/hook?token=a%20b&x=1"
    await client.post(SCHNELL, params={"fal_webhook": hook}, json=PROMPT)
    await client.post(SCHNELL, params={"fal_webhook": hook}, json={})
    await client.post(SCHNELL, json=PROMPT)

    wanted = Webhook(hook, "http://darkroom")
    assert [request.webhook for request in service.requests] == [wanted, None]
    assert service.webhooks == [wanted]


@pytest.mark.parametrize(
    ("header", "ephemeral"), [({}, False), ({"X-Fal-Store-IO": "1"}, False), ({"X-Fal-Store-IO": "0"}, True)]
)
async def test_a_caller_may_ask_to_be_forgotten(
    client: httpx.AsyncClient, service: FakeService, header: dict[str, str], ephemeral: bool
) -> None:
    """With X-Fal-Store-IO: 0, input and output are not kept for longer than they are needed."""
    await client.post(SCHNELL, json=PROMPT, headers=header)

    assert service.requests[0].ephemeral is ephemeral


@pytest.mark.parametrize(("waiting", "status"), [(1, 200), (2, 429)])
async def test_queue_length_can_be_capped_by_the_caller(
    client: httpx.AsyncClient, service: FakeService, waiting: int, status: int
) -> None:
    """With fal_max_queue_length=1, a submit is refused when more than one request waits."""
    service.queued = waiting
    answer = await client.post(f"{SCHNELL}?fal_max_queue_length=1", json=PROMPT)

    assert answer.status_code == status


async def test_too_large_a_body_is_refused(client: httpx.AsyncClient) -> None:
    """A body over the limit is a 413, declared or not."""

    async def undeclared() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    for body in (b"x" * 1001, undeclared()):
        answer = await client.post(SCHNELL, content=body)

        assert (answer.status_code, answer.json()["error_type"]) == (413, "file_too_large")


@pytest.mark.parametrize(
    "path",
    [
        REQUEST,
        f"{REQUEST}/",
        f"{REQUEST}/response",
        "/queue/fal-ai/flux/schnell/requests/call-1",
        "/queue/fal-ai/flux/schnell/requests/call-1/response/",
    ],
)
@pytest.mark.usefixtures("completed")
async def test_result_has_several_spellings_and_stays(client: httpx.AsyncClient, path: str) -> None:
    """The result is found by app or by endpoint, with or without /response, again and again."""
    first, second = await client.get(path), await client.get(path)

    assert first.status_code == 200
    assert first.json() == second.json()
    assert first.headers["x-fal-request-id"] == "call-1"


async def test_result_of_sync_mode_is_inline(client: httpx.AsyncClient, service: FakeService) -> None:
    """A queued request keeps its wish for data URIs until its result is asked for."""
    await client.post(SCHNELL, json={**PROMPT, "sync_mode": True})
    view = await service.status("call-1")
    generation = await service.generate(service.requests[0])
    service.views["call-1"].append(replace(view, state=RequestState.COMPLETED, generation=generation))
    answer = await client.get(REQUEST)

    assert answer.json()["images"][0]["url"].startswith("data:image/jpeg;base64,")


async def test_result_before_the_end_is_a_400(client: httpx.AsyncClient) -> None:
    """A result that is not there yet is no 202, which clients would take for the result."""
    await client.post(SCHNELL, json=PROMPT)
    answer = await client.get(REQUEST)

    assert (answer.status_code, answer.json()) == (400, {"detail": "Request is still in progress"})


@pytest.mark.parametrize(("logs", "shown"), [("logs=1", 1), ("logs=true", 1), ("logs=0", 0), ("", 0)])
async def test_status_shows_logs_on_request(
    client: httpx.AsyncClient, service: FakeService, logs: str, shown: int
) -> None:
    """Logs are a list, empty unless asked for."""
    line = LogLine("step 1/4", 0.0)
    view = RequestView(request_id="r", endpoint="fal-ai/flux/schnell", state=RequestState.RUNNING, logs=(line,))
    service.views["r"] = [view]
    answer = await client.get(f"/queue/fal-ai/flux/requests/r/status/?{logs}")

    assert (answer.status_code, len(answer.json()["logs"])) == (202, shown)


@pytest.mark.usefixtures("completed")
async def test_status_of_a_completed_request_is_200(client: httpx.AsyncClient) -> None:
    """Clients that look at nothing but the code see the end."""
    answer = await client.get(f"{REQUEST}/status")

    assert answer.status_code == 200
    assert answer.json()["metrics"] == {"inference_time": 0.25}


async def test_status_stream_sends_every_view_and_each_log_line_once(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    """The stream follows the request to its end; its log lines do not repeat."""
    lines = (LogLine("queued", 0.0), LogLine("started", 1.0), LogLine("done", 2.0))
    waits = RequestView(request_id="r", endpoint="fal-ai/flux/schnell", queue_position=0, logs=lines[:1])
    runs = replace(waits, state=RequestState.RUNNING, logs=lines[:2])
    service.views["r"] = [waits, runs, replace(runs, state=RequestState.COMPLETED, logs=lines)]
    answer = await client.get("/queue/fal-ai/flux/requests/r/status/stream?logs=1")

    seen = events(answer.text)
    assert [event["status"] for event in seen] == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    assert [[line["message"] for line in event.get("logs", [])] for event in seen] == [
        [],
        ["queued", "started"],
        ["done"],
    ]


async def test_cancel_is_acknowledged(client: httpx.AsyncClient, service: FakeService) -> None:
    """A cancellation is a request: it answers 202."""
    await client.post(SCHNELL, json=PROMPT)
    answer = await client.put(f"{REQUEST}/cancel")

    assert (answer.status_code, answer.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert service.cancelled == ["call-1"]


@pytest.mark.usefixtures("completed")
async def test_cancelling_a_completed_request_is_too_late(client: httpx.AsyncClient) -> None:
    """There is nothing left to cancel."""
    answer = await client.put(f"{REQUEST}/cancel")

    assert (answer.status_code, answer.json()) == (400, {"status": "ALREADY_COMPLETED"})


async def test_cancelled_request_completes_with_499(client: httpx.AsyncClient, service: FakeService) -> None:
    """Pollers of a cancelled request see its end and why; the result is a 499."""
    error = JobCancelledError("Request was cancelled")
    service.views["r"] = [
        RequestView(request_id="r", endpoint="fal-ai/flux/dev", state=RequestState.COMPLETED, error=error)
    ]
    status = (await client.get("/queue/fal-ai/flux/requests/r/status")).json()
    result = await client.get("/queue/fal-ai/flux/requests/r")

    assert (status["status"], status["error"]) == ("COMPLETED", "Request was cancelled")
    assert status["error_type"] == "client_cancelled"
    assert result.status_code == 499


@pytest.mark.parametrize(
    ("method", "action"), [("GET", ""), ("GET", "/status"), ("GET", "/status/stream"), ("PUT", "/cancel")]
)
async def test_unknown_request_is_404(client: httpx.AsyncClient, method: str, action: str) -> None:
    """An id that was never given out is not found, whatever is asked of it."""
    answer = await client.request(method, f"/queue/fal-ai/flux/requests/nobody{action}")

    assert (answer.status_code, answer.json()) == (404, {"status": "NOT_FOUND"})


@pytest.mark.parametrize(
    ("method", "path"), [("GET", f"{REQUEST}/cancel"), ("PUT", f"{REQUEST}/status"), ("PUT", REQUEST), ("GET", SCHNELL)]
)
async def test_wrong_method_is_not_found(client: httpx.AsyncClient, method: str, path: str) -> None:
    """A path that exists for another method does not exist for this one."""
    answer = await client.request(method, path)

    assert answer.status_code == 404
    assert "not found" in answer.json()["detail"]
