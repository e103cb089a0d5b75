"""Status objects of queued requests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from app.api.errors import error_type
from app.api.fal.paths import request_path
from app.errors import DarkroomError
from app.storage.jobs import LogLine, RequestState, RequestView


def submitted(view: RequestView, queue_url: str) -> dict[str, Any]:
    """The acknowledgement of a submit; a request that is already under way counts as first in the queue."""
    return {
        "status": "IN_QUEUE",
        **_identity(view, queue_url),
        "queue_position": view.queue_position or 0,
        "gateway_request_id": view.request_id,
    }


def status_object(view: RequestView, queue_url: str, *, logs: Sequence[LogLine]) -> dict[str, Any]:
    """The request as it stands, with these log lines."""
    identity = _identity(view, queue_url)
    match view.state:
        case RequestState.QUEUED:
            return {"status": "IN_QUEUE", **identity, "queue_position": view.queue_position or 0}
        case RequestState.RUNNING:
            return {"status": "IN_PROGRESS", **identity, "logs": _log_entries(logs)}
        case RequestState.COMPLETED:
            outcome = {"metrics": {"inference_time": view.inference_s or 0.0}} | _failure(view.error)
            return {"status": "COMPLETED", **identity, "logs": _log_entries(logs), **outcome}


def status_code(view: RequestView) -> int:
    """200 when nothing will change any more, 202 before; some clients look at nothing else."""
    return 200 if view.state is RequestState.COMPLETED else 202


def _identity(view: RequestView, queue_url: str) -> dict[str, Any]:
    url = f"{queue_url}/{request_path(view.endpoint, view.request_id)}"
    return {
        "request_id": view.request_id,
        "response_url": url,
        "status_url": f"{url}/status",
        "cancel_url": f"{url}/cancel",
        **({"tags": dict(view.tags)} if view.tags else {}),
    }


def _failure(error: DarkroomError | None) -> dict[str, Any]:
    return {} if error is None else {"error": error.detail, "error_type": error_type(error)}


def _log_entries(logs: Sequence[LogLine]) -> list[dict[str, str]]:
    return [
        {
            "message": line.message,
            "timestamp": datetime.fromtimestamp(line.at_s, UTC).isoformat(),
            "level": "INFO",
            "source": "USER",
        }
        for line in logs
    ]
