"""One OpenAPI 3.0.4 document per endpoint, as fal publishes them."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.api.fal.endpoints import DrawingEndpoint, Endpoint
from app.api.fal.openapi_schemas import Schema, components, reference
from app.api.fal.outputs import output_model
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


@dataclass(frozen=True, slots=True)
class Described:
    """What a catalogue has to know of something that is called like an endpoint; `category` is fal's word for it.

    Among the schemas are those of its input and its output, by the names that follow from its id.
    """

    endpoint_id: str
    category: str
    schemas: dict[str, Schema]


def described(endpoint: Endpoint) -> Described:
    """An endpoint that draws or enlarges."""
    return Described(endpoint.endpoint_id, _CATEGORIES[endpoint.task], endpoint_schemas(endpoint))


def metadata(about: Described, base_url: str) -> dict[str, str]:
    """What fal's catalogue says about an endpoint."""
    return {
        "endpointId": about.endpoint_id,
        "category": about.category,
        "thumbnailUrl": "",
        "playgroundUrl": "",
        "documentationUrl": f"{base_url}/api/openapi/queue/openapi.json?endpoint_id={about.endpoint_id}",
    }


def document(about: Described, base_url: str) -> dict[str, Any]:
    """The document; `base_url` is this server as the client sees it."""
    return {
        "openapi": "3.0.4",
        "info": {
            "title": f"Queue OpenAPI for {about.endpoint_id}",
            "version": "1.0.0",
            "description": f"The OpenAPI schema for the {about.endpoint_id} queue.",
            "x-fal-metadata": metadata(about, base_url),
        },
        "servers": [{"url": f"{base_url}/queue"}],
        "security": [{"apiKeyAuth": []}],
        "paths": _paths(about.endpoint_id, class_name(about.endpoint_id)),
        "components": {
            "securitySchemes": {"apiKeyAuth": {"type": "apiKey", "in": "header", "name": "Authorization"}},
            "schemas": about.schemas,
        },
    }


def class_name(endpoint_id: str) -> str:
    """The beginning of the names of an endpoint's schemas, as fal forms it."""
    words = endpoint_id.partition("/")[2].replace("/", "-").split("-")
    return "".join(word.capitalize() for word in words)


def endpoint_schemas(endpoint: Endpoint) -> dict[str, Schema]:
    """The schemas of an endpoint's document by name, its own input and output among them."""
    name = class_name(endpoint.endpoint_id)
    schemas = {
        **queue_schemas(),
        **components(f"{name}Input", endpoint.schema, is_input=True),
        **components(f"{name}Output", output_model(endpoint), is_input=False),
    }
    if isinstance(endpoint, DrawingEndpoint):
        steps = schemas[f"{name}Input"]["properties"]["num_inference_steps"]
        steps["default"] = endpoint.default_steps
        steps["maximum"] = min(steps["maximum"], endpoint.max_steps)
    return schemas


def queue_schemas() -> dict[str, Schema]:
    """The schemas that every document has."""
    status = components("QueueStatus", QueueStatus, is_input=False)
    return status | components("CancelAnswer", CancelAnswer, is_input=False)


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
