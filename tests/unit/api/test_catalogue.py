"""What tools can learn about the endpoints."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.config import DarkroomSettings

OPENAPI = "/api/openapi/queue/openapi.json"
ENDPOINTS = (
    "fal-ai/flux/schnell",
    "fal-ai/flux/dev",
    "fal-ai/flux/dev/image-to-image",
    "fal-ai/esrgan",
    "fal-ai/aura-sr",
)


async def document(client, endpoint_id: str) -> dict[str, Any]:
    """The OpenAPI document of an endpoint."""
    answer = await client.get(OPENAPI, params={"endpoint_id": endpoint_id})
    assert answer.status_code == 200
    return answer.json()


def parts(document: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a document."""
    if isinstance(document, dict):
        yield document
    for part in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from parts(part)


@pytest.mark.parametrize("endpoint_id", ENDPOINTS)
async def test_document_is_complete(client: httpx.AsyncClient, endpoint_id: str) -> None:
    """Every pointer in a document leads to one of its schemas, and nothing of JSON Schema 2020 is left in it."""
    found = await document(client, endpoint_id)

    schemas = found["components"]["schemas"]
    pointers = {part["$ref"] for part in parts(found) if "$ref" in part}
    assert pointers <= {f"#/components/schemas/{name}" for name in schemas}
    assert not [part for part in parts(found) if part.keys() & {"const", "$defs"} or part.get("type") == "null"]


async def test_document_describes_its_endpoint(client: httpx.AsyncClient) -> None:
    """Title, metadata, paths and the names of the schemas follow from the endpoint's id."""
    found = await document(client, "fal-ai/flux/dev/image-to-image")

    assert (found["openapi"], found["info"]["title"]) == ("3.0.4", "Queue OpenAPI for fal-ai/flux/dev/image-to-image")
    assert found["info"]["x-fal-metadata"]["endpointId"] == "fal-ai/flux/dev/image-to-image"
    assert found["servers"] == [{"url": "http://darkroom/queue"}]
    assert list(found["paths"]) == [
        "/fal-ai/flux/dev/image-to-image",
        "/fal-ai/flux/dev/image-to-image/requests/{request_id}/status",
        "/fal-ai/flux/dev/image-to-image/requests/{request_id}/cancel",
        "/fal-ai/flux/dev/image-to-image/requests/{request_id}",
    ]
    assert {"FluxDevImageToImageInput", "FluxDevImageToImageOutput"} <= set(found["components"]["schemas"])


async def test_input_schema_shows_ranges_defaults_and_order(client: httpx.AsyncClient) -> None:
    """The input lists required fields first, and bounds that will be enforced."""
    schemas = (await document(client, "fal-ai/flux/schnell"))["components"]["schemas"]

    fields = schemas["FluxSchnellInput"]["properties"]
    assert schemas["FluxSchnellInput"]["x-fal-order-properties"][0] == "prompt"
    assert sorted(schemas["FluxSchnellInput"]["x-fal-order-properties"]) == sorted(fields)
    assert {key: fields["num_inference_steps"][key] for key in ("default", "minimum", "maximum")} == {
        "default": 4,
        "minimum": 1,
        "maximum": 12,
    }
    assert fields["seed"]["nullable"]
    assert fields["cache"]["default"] == "similar"
    assert schemas["CacheLimit"]["enum"] == ["off", "exact", "canonical", "similar"]
    assert schemas["ImageSize"]["properties"]["width"]["minimum"] == 64


async def test_schema_shows_the_limits_of_the_variant(
    app_of: Callable[..., FastAPI], settings: DarkroomSettings
) -> None:
    """Where a variant allows fewer steps than fal documents, its default and maximum are shown."""
    variants = settings.variants | {"sketch": settings.variants["sketch"].model_copy(update={"max_steps": 8})}
    transport = httpx.ASGITransport(app_of(settings.model_copy(update={"variants": variants})))
    async with httpx.AsyncClient(transport=transport, base_url="http://darkroom") as client:
        schemas = (await document(client, "fal-ai/flux/dev"))["components"]["schemas"]

    steps = schemas["FluxDevInput"]["properties"]["num_inference_steps"]
    assert (steps["default"], steps["maximum"]) == (8, 8)


async def test_unknown_endpoint_has_no_document(client: httpx.AsyncClient) -> None:
    """Nothing is said about what is not served."""
    assert (await client.get(OPENAPI, params={"endpoint_id": "no/such"})).status_code == 404
    assert (await client.get(OPENAPI)).status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 6), ("endpoint_id=fal-ai/esrgan", 1), ("category=text-to-image", 3), ("endpoint_id=no/such", 0)],
)
async def test_catalogue_lists_endpoints(client: httpx.AsyncClient, query: str, count: int) -> None:
    """All endpoints, or those of one id or category, on one page."""
    page = (await client.get(f"/api/v1/models?{query}")).json()

    assert len(page["models"]) == count
    assert (page["has_more"], page["next_cursor"]) == (False, None)


async def test_catalogue_can_carry_the_documents(client: httpx.AsyncClient) -> None:
    """With expand=openapi-3.0 each entry has its document."""
    page = (await client.get("/api/v1/models?expand=openapi-3.0")).json()

    assert [entry["openapi"]["openapi"] for entry in page["models"]] == ["3.0.4"] * 6
