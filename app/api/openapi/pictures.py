"""What is described of endpoints and of requests in the queue."""

from collections.abc import Iterable

from app.api.fal.endpoints import Endpoint
from app.api.fal.openapi import class_name
from app.api.fal.openapi_schemas import reference
from app.api.fal.paths import app_of
from app.api.openapi.operations import (
    ANYTHING,
    EVENTS,
    FORM,
    TEXT,
    Operation,
    Schema,
    in_header,
    in_path,
    in_query,
    number,
    operation,
    record,
)

_STATUS = {"200": reference("QueueStatus"), "202": reference("QueueStatus")}
_LOGS = in_query("logs", {"type": "integer", "enum": [0, 1]})
_REQUEST_ID = in_path("request_id", "[A-Za-z0-9_-]{1,64}")
_TIMEOUT = in_header("X-Fal-Request-Timeout", number())
_SUBMITTING = (
    _TIMEOUT,
    in_header("X-Fal-Queue-Priority", {"type": "string", "enum": ["normal", "low"]}),
    in_header("Idempotency-Key", {"type": "string", "pattern": "^[!-~]{1,255}$"}),
    in_query("fal_webhook", {"type": "string", "format": "uri"}),
    in_query("fal_max_queue_length", number(least=0, whole=True)),
)


def endpoint_paths(endpoint: Endpoint) -> dict[str, dict[str, Operation]]:
    """The ways to call one endpoint."""
    name = class_name(endpoint.endpoint_id)
    takes, gives = reference(f"{name}Input"), {"200": reference(f"{name}Output")}
    return {
        f"/run/{endpoint.endpoint_id}": {"post": operation("Now.", _TIMEOUT, takes=takes, gives=gives)},
        f"/run/{endpoint.endpoint_id}/stream": {
            "post": operation("Now, with progress.", _TIMEOUT, takes=takes, gives={"200": ANYTHING}, gives_as=EVENTS)
        },
        f"/queue/{endpoint.endpoint_id}": {
            "post": operation("Later.", *_SUBMITTING, takes=takes, gives={"200": reference("QueueStatus")})
        },
    }


def request_paths(endpoint_ids: Iterable[str]) -> dict[str, dict[str, Operation]]:
    """What can be asked about a queued request of these endpoints."""
    paths = {}
    for app in sorted({app_of(each) for each in endpoint_ids}):
        base = f"/queue/{app}/requests/{{request_id}}"
        paths[base] = {"get": operation("The result.", _REQUEST_ID, gives={"200": ANYTHING})}
        paths[f"{base}/status"] = {"get": operation("How it stands.", _REQUEST_ID, _LOGS, gives=_STATUS)}
        paths[f"{base}/status/stream"] = {
            "get": operation("How it goes on.", _REQUEST_ID, _LOGS, gives={"200": ANYTHING}, gives_as=EVENTS)
        }
        paths[f"{base}/cancel"] = {"put": operation("Stop it.", _REQUEST_ID, gives={"202": reference("CancelAnswer")})}
    return paths


def openai_paths(models: list[str]) -> dict[str, dict[str, Operation]]:
    """OpenAI's images API."""
    fields: dict[str, Schema] = {
        "model": {"type": "string", "enum": models},
        "n": {"type": "integer", "minimum": 1, "maximum": 10},
        "size": {"type": "string", "pattern": "^(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$"},
        "quality": {"type": "string", "enum": ["auto", "low", "medium", "high"]},
        "output_format": {"type": "string", "enum": ["png", "jpeg", "webp"]},
        "output_compression": {"type": "integer", "minimum": 0, "maximum": 100},
        "response_format": {"type": "string", "enum": ["b64_json", "url"]},
        "partial_images": {"type": "integer", "minimum": 0, "maximum": 3},
        "user": TEXT,
    }
    picture: Schema = {"type": "string", "format": "binary"}
    made = {"200": record({"created": number(whole=True), "data": {"type": "array", "items": record()}})}
    model = record({"id": TEXT, "object": TEXT})
    return {
        "/v1/images/generations": {
            "post": operation("From words.", takes=record({"prompt": TEXT}, **fields), gives=made)
        },
        "/v1/images/edits": {
            "post": operation(
                "From words and a picture.",
                takes=record({"prompt": TEXT, "image": picture}, **fields),
                takes_as=FORM,
                gives=made,
            )
        },
        "/v1/models": {
            "get": operation("Every model.", gives={"200": record({"data": {"type": "array", "items": model}})})
        },
        "/v1/models/{model}": {"get": operation("One model.", in_path("model", "[a-z0-9-]+"), gives={"200": model})},
    }
