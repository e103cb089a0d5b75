"""Status objects: exactly the fields that clients read in each state."""

from dataclasses import replace
from typing import Any

import pytest

from app.api.fal.status import status_code, status_object, submitted
from app.errors import StartTimeoutError
from app.storage.jobs import LogLine, RequestState, RequestView

QUEUE = "http://h/queue"
WAITING = RequestView(request_id="r1", endpoint="fal-ai/flux/dev/image-to-image", queue_position=2)
RUNNING = replace(WAITING, state=RequestState.RUNNING, queue_position=None)
DONE = replace(RUNNING, state=RequestState.COMPLETED, inference_s=0.5)
FAILED = replace(DONE, inference_s=None, error=StartTimeoutError("Request timed out"))
IDENTITY = {
    "request_id": "r1",
    "response_url": "http://h/queue/fal-ai/flux/requests/r1",
    "status_url": "http://h/queue/fal-ai/flux/requests/r1/status",
    "cancel_url": "http://h/queue/fal-ai/flux/requests/r1/cancel",
}

STATES = [
    pytest.param(WAITING, 202, {"status": "IN_QUEUE", "queue_position": 2}, id="waiting has a place and no logs"),
    pytest.param(
        replace(WAITING, queue_position=None),
        202,
        {"status": "IN_QUEUE", "queue_position": 0},
        id="a place is a number",
    ),
    pytest.param(RUNNING, 202, {"status": "IN_PROGRESS", "logs": []}, id="running has logs, be they none"),
    pytest.param(
        DONE, 200, {"status": "COMPLETED", "logs": [], "metrics": {"inference_time": 0.5}}, id="completed has metrics"
    ),
    pytest.param(
        FAILED,
        200,
        {
            "status": "COMPLETED",
            "logs": [],
            "metrics": {"inference_time": 0.0},
            "error": "Request timed out",
            "error_type": "request_timeout",
        },
        id="a failure is completed with its error",
    ),
]


@pytest.mark.parametrize(("view", "code", "fields"), STATES)
def test_status_object(view: RequestView, code: int, fields: dict[str, Any]) -> None:
    """Each state has these fields beside the request's identity, and this code."""
    assert status_object(view, QUEUE, logs=()) == IDENTITY | fields
    assert status_code(view) == code


def test_log_entry() -> None:
    """A log entry carries its time with an offset, and says that it is the user's to see."""
    (entry,) = status_object(RUNNING, QUEUE, logs=[LogLine("step 1/4", 1.5)])["logs"]

    assert entry == {
        "message": "step 1/4",
        "timestamp": "1970-01-01T00:00:01.500000+00:00",
        "level": "INFO",
        "source": "USER",
    }


@pytest.mark.parametrize("view", [WAITING, DONE], ids=["waiting", "already completed"])
def test_acknowledgement(view: RequestView) -> None:
    """A submit always answers IN_QUEUE with a place, even when the answer was there at once."""
    assert submitted(view, QUEUE) == IDENTITY | {
        "status": "IN_QUEUE",
        "queue_position": view.queue_position or 0,
        "gateway_request_id": "r1",
    }


@pytest.mark.parametrize(
    ("endpoint", "app"),
    [
        ("fal-ai/flux", "fal-ai/flux"),
        ("fal-ai/flux/schnell", "fal-ai/flux"),
        ("fal-ai/flux/dev/image-to-image", "fal-ai/flux"),
        ("workflows/owner/name", "workflows/owner/name"),
        ("workflows/owner/name/path", "workflows/owner/name"),
        ("comfy/owner/name/a/b", "comfy/owner/name"),
    ],
)
def test_request_urls_name_the_app_alone(endpoint: str, app: str) -> None:
    """Owner and alias name a request, after the namespace where there is one."""
    view = replace(WAITING, endpoint=endpoint)

    assert status_object(view, QUEUE, logs=())["response_url"] == f"http://h/queue/{app}/requests/r1"
