"""The document: every endpoint, the queue, storage, OpenAI's dialect, and what tells about the server."""

from collections.abc import Iterable
from typing import Any

from app.api.fal.endpoints import DrawingEndpoint, Endpoint
from app.api.fal.openapi import endpoint_schemas
from app.api.openapi.compounds import compound_paths
from app.api.openapi.files import file_paths
from app.api.openapi.operations import TEXT, Operation, in_query, operation, record
from app.api.openapi.pictures import endpoint_paths, openai_paths, request_paths
from app.api.openapi.work import work_paths


def document(endpoints: Iterable[Endpoint], base_url: str) -> dict[str, Any]:
    """OpenAPI 3.0.4; `base_url` is this server as the client sees it."""
    known = tuple(endpoints)
    ids = [endpoint.endpoint_id for endpoint in known]
    drawing = [endpoint.endpoint_id for endpoint in known if isinstance(endpoint, DrawingEndpoint)]
    paths = (
        file_paths()
        | request_paths(ids)
        | compound_paths(ids)
        | openai_paths(drawing)
        | work_paths()
        | _about_the_server(ids)
    )
    schemas: dict[str, Any] = {}
    for endpoint in known:
        paths |= endpoint_paths(endpoint)
        schemas |= endpoint_schemas(endpoint)
    return {
        "openapi": "3.0.4",
        "info": {"title": "Darkroom", "version": "1.0.0", "description": "fal's protocol and OpenAI's images API."},
        "servers": [{"url": base_url}],
        # On the loopback no key is needed.
        "security": [{}, {"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "Authorization"}},
            "schemas": schemas,
        },
    }


def _about_the_server(endpoint_ids: list[str]) -> dict[str, dict[str, Operation]]:
    by_id = in_query("endpoint_id", {"type": "string", "enum": endpoint_ids}, required=True)
    about_one = operation("The document of one endpoint.", by_id, gives={"200": record({"openapi": TEXT})})
    filters = (in_query("endpoint_id", TEXT), in_query("category", TEXT), in_query("expand", TEXT))
    models = {"200": record({"models": {"type": "array", "items": record()}})}
    states = {"200": record({"status": TEXT}), "503": record({"status": TEXT})}
    return {
        "/health": {"get": operation("Whether the process lives.", gives={"200": record({"status": TEXT})})},
        "/ready": {"get": operation("Whether every model is warm.", gives=states)},
        "/api/openapi/queue/openapi.json": {"get": about_one},
        "/api/v1/models": {"get": operation("Every endpoint.", *filters, gives=models)},
        "/rest/.well-known/jwks.json": {
            "get": operation("The keys that webhooks are signed with.", gives={"200": record({"keys": {}})})
        },
    }
