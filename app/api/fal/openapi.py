"""One OpenAPI 3.0.4 document per endpoint, as fal publishes them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.api.fal.endpoints import DrawingEndpoint, Endpoint, UpscalingEndpoint
from app.api.fal.openapi_schemas import Schema, components, reference
from app.api.fal.outputs import DrawnOutput, UpscaledOutput
from app.generation import Task

_CATEGORIES = {
    Task.TEXT_TO_IMAGE: "text-to-image",
    Task.IMAGE_TO_IMAGE: "image-to-image",
    Task.UPSCALE: "image-to-image",
}


class QueueStatus(BaseModel):
    """The state of a queued request."""

    status: Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    request_id: str
    response_url: str
    status_url: str
    cancel_url: str
    queue_position: int | None = Field(default=None, description="How many requests are ahead, while it waits.")
    logs: list[dict[str, Any]] | None = None
    metrics: dict[str, Any] | None = None
    error: str | None = Field(default=None, description="Why there is no result.")
    error_type: str | None = None


class CancelAnswer(BaseModel):
    """The answer to a cancellation."""

    status: Literal["CANCELLATION_REQUESTED", "ALREADY_COMPLETED", "NOT_FOUND"]


def category(endpoint: Endpoint) -> str:
    """fal's name for what the endpoint does."""
    return _CATEGORIES[endpoint.task]


def metadata(endpoint: Endpoint, base_url: str) -> dict[str, str]:
    """What fal's catalogue says about an endpoint."""
    return {
        "endpointId": endpoint.endpoint_id,
        "category": category(endpoint),
        "thumbnailUrl": "",
        "playgroundUrl": "",
        "documentationUrl": f"{base_url}/api/openapi/queue/openapi.json?endpoint_id={endpoint.endpoint_id}",
    }


def document(endpoint: Endpoint, base_url: str) -> dict[str, Any]:
    """The document; `base_url` is this server as the client sees it."""
    return {
        "openapi": "3.0.4",
        "info": {
            "title": f"Queue OpenAPI for {endpoint.endpoint_id}",
            "version": "1.0.0",
            "description": f"The OpenAPI schema for the {endpoint.endpoint_id} queue.",
            "x-fal-metadata": metadata(endpoint, base_url),
        },
        "servers": [{"url": f"{base_url}/queue"}],
        "security": [{"apiKeyAuth": []}],
        "paths": _paths(endpoint.endpoint_id, _class_name(endpoint.endpoint_id)),
        "components": {
            "securitySchemes": {"apiKeyAuth": {"type": "apiKey", "in": "header", "name": "Authorization"}},
            "schemas": _schemas(endpoint, _class_name(endpoint.endpoint_id)),
        },
    }


def _class_name(endpoint_id: str) -> str:
    words = endpoint_id.partition("/")[2].replace("/", "-").split("-")
    return "".join(word.capitalize() for word in words)


def _schemas(endpoint: Endpoint, name: str) -> dict[str, Schema]:
    output = UpscaledOutput if isinstance(endpoint, UpscalingEndpoint) else DrawnOutput
    schemas = {
        **components("QueueStatus", QueueStatus, is_input=False),
        **components("CancelAnswer", CancelAnswer, is_input=False),
        **components(f"{name}Input", endpoint.schema, is_input=True),
        **components(f"{name}Output", output, is_input=False),
    }
    if isinstance(endpoint, DrawingEndpoint):
        steps = schemas[f"{name}Input"]["properties"]["num_inference_steps"]
        steps["default"] = endpoint.default_steps
        steps["maximum"] = min(steps["maximum"], endpoint.max_steps)
    return schemas


def _paths(endpoint_id: str, name: str) -> dict[str, Any]:
    request = f"/{endpoint_id}/requests/{{request_id}}"
    body = {"required": True, "content": {"application/json": {"schema": reference(f"{name}Input")}}}
    return {
        f"/{endpoint_id}": {"post": {"requestBody": body, "responses": _answer("QueueStatus")}},
        f"{request}/status": {"get": _about_request("QueueStatus", _LOGS)},
        f"{request}/cancel": {"put": _about_request("CancelAnswer")},
        request: {"get": _about_request(f"{name}Output")},
    }


_REQUEST_ID = {"name": "request_id", "in": "path", "required": True, "schema": {"type": "string"}}
_LOGS = {"name": "logs", "in": "query", "required": False, "schema": {"type": "integer", "enum": [0, 1]}}


def _about_request(schema: str, *more: dict[str, Any]) -> dict[str, Any]:
    return {"parameters": [_REQUEST_ID, *more], "responses": _answer(schema)}


def _answer(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": reference(schema)}}
    return {"200": {"description": "The answer.", "content": content}}
