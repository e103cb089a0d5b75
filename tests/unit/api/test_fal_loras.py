"""LoRAs on their way from a call to the internal request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_service import FakeService
from fastapi import FastAPI

from app.config import DarkroomSettings, EndpointSettings
from app.generation import Task
from app.lora_files import refused_lora

ENDPOINT = "/fal-ai/flux-lora"
INK = "styles/ink.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of LoRAs with two files in it, beside one that is nobody's business."""
    for name, content in {INK: "ink", "oil.safetensors": "oil oil", "../secret.safetensors": "secret"}.items():
        path = tmp_path / "loras" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "loras"


@pytest.fixture
def settings(settings: DarkroomSettings, folder: Path) -> DarkroomSettings:
    """fal's LoRA endpoints over a variant that takes two LoRAs of at most six bytes; fal-ai/flux/dev takes none."""
    taking = {"lora_folder": str(folder), "max_loras": 2, "max_lora_bytes": 6}
    styled = settings.variants["sketch"].model_copy(update=taking)
    endpoints = {
        "fal-ai/flux-lora": EndpointSettings(task=Task.TEXT_TO_IMAGE, variant="styled"),
        "fal-ai/flux-lora/image-to-image": EndpointSettings(task=Task.IMAGE_TO_IMAGE, variant="styled"),
    }
    variants, endpoints = settings.variants | {"styled": styled}, settings.endpoints | endpoints
    return settings.model_copy(update={"variants": variants, "endpoints": endpoints})


async def ask(client: httpx.AsyncClient, *loras: dict[str, Any], endpoint: str = ENDPOINT) -> httpx.Response:
    """The answer to a call with these LoRAs."""
    return await client.post(endpoint, json={"prompt": "a dot", "loras": list(loras)})


def issue(answer: httpx.Response) -> dict[str, Any]:
    """The one thing that is wrong."""
    assert answer.status_code == 422
    (only,) = answer.json()["detail"]
    return only


async def test_loras_reach_the_request_in_order(client: httpx.AsyncClient, service: FakeService) -> None:
    """Paths and scales are kept as they were given; equal files have equal digests, whatever their scale."""
    answer = await ask(client, {"path": INK, "scale": 0.5}, {"path": INK})
    first, second = service.requests[0].spec.loras

    assert answer.status_code == 200
    assert (first.path, first.scale, second.scale) == (INK, 0.5, 1.0)
    assert first.digest == second.digest
    assert len(first.digest) == 64


async def test_image_to_image_takes_loras(client: httpx.AsyncClient, service: FakeService) -> None:
    """The image-to-image endpoint hands them on, with fal's own default strength."""
    payload = {"prompt": "a dot", "image_url": "http://a/b.png", "loras": [{"path": INK}]}
    assert (await client.post("/fal-ai/flux-lora/image-to-image", json=payload)).status_code == 200

    spec = service.requests[0].spec
    assert (spec.loras[0].path, spec.strength) == (INK, 0.85)


async def test_a_replaced_file_makes_another_request(
    client: httpx.AsyncClient, service: FakeService, folder: Path
) -> None:
    """The same name with other content is not the same LoRA."""
    await ask(client, {"path": INK})
    (folder / "new").write_text("wet")
    (folder / "new").replace(folder / INK)
    await ask(client, {"path": INK})

    before, after = (request.spec.loras[0] for request in service.requests)
    assert before != after


async def test_an_endpoint_without_a_folder_refuses_loras(client: httpx.AsyncClient, service: FakeService) -> None:
    """A variant that takes no LoRAs says so; an empty list asks for nothing."""
    refused = issue(await ask(client, {"path": INK}, endpoint="/fal-ai/flux/dev"))
    assert (refused["loc"], refused["type"]) == (["body", "loras"], "feature_not_supported")

    assert (await ask(client, endpoint="/fal-ai/flux/dev")).status_code == 200
    assert service.requests[0].spec.loras == ()


async def test_the_number_of_loras_is_bounded(client: httpx.AsyncClient) -> None:
    """More LoRAs than a variant keeps at a time are refused with the limit."""
    refused = issue(await ask(client, *[{"path": INK}] * 3))

    assert (refused["loc"], refused["type"]) == (["body", "loras"], "sequence_too_long")
    assert refused["ctx"] == {"max_length": 2}


@pytest.mark.parametrize(
    "path", ["absent.safetensors", "styles/absent.safetensors", "styles/ink.safetensors/a.safetensors"]
)
async def test_a_missing_lora_is_named(client: httpx.AsyncClient, folder: Path, path: str) -> None:
    """The answer says which LoRA is missing, and nothing about the server's folders."""
    answer = await ask(client, {"path": INK}, {"path": path})

    assert (issue(answer)["loc"], issue(answer)["type"]) == (["body", "loras", 1, "path"], "value_error")
    assert str(folder.parent) not in answer.text


async def test_too_large_a_lora_is_refused(client: httpx.AsyncClient) -> None:
    """The answer names the largest file that would do."""
    refused = issue(await ask(client, {"path": "oil.safetensors"}))

    assert (refused["loc"], refused["type"]) == (["body", "loras", 0, "path"], "file_too_large")
    assert refused["ctx"] == {"max_size": 6}


async def test_what_the_replica_says_of_a_lora_reaches_the_caller(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    """A file that turns out to be useless is reported like any other wrong field."""
    service.error = refused_lora(0, "The LoRA was made for another model")
    refused = issue(await ask(client, {"path": INK}))

    assert (refused["loc"], refused["msg"]) == (["body", "loras", 0, "path"], "The LoRA was made for another model")


async def test_the_input_schema_shows_loras(app_of: Callable[..., FastAPI], settings: DarkroomSettings) -> None:
    """Tools learn the name, the scale and its bounds."""
    transport = httpx.ASGITransport(app_of(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://darkroom") as client:
        answer = await client.get("/api/openapi/queue/openapi.json", params={"endpoint_id": "fal-ai/flux-lora"})
    schemas = answer.json()["components"]["schemas"]

    assert schemas["FluxLoraInput"]["properties"]["loras"]["items"] == {"$ref": "#/components/schemas/LoraWeight"}
    scale = schemas["LoraWeight"]["properties"]["scale"]
    assert (scale["default"], scale["minimum"], scale["maximum"]) == (1, 0, 4)
