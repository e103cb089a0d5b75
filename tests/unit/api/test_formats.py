"""The formats that pictures come in, as fal's clients see them."""

import io
from typing import Any

import fal_client
import httpx
import pytest
from fal_server import official_client
from painting import studio
from PIL import Image

from app.generation import ImageFormat

SCHNELL = "fal-ai/flux/schnell"
SMALL = {"width": 96, "height": 64}


@pytest.fixture(scope="module")
def base() -> Any:
    """The URL of a running server."""
    with studio() as place:
        yield place.url


@pytest.fixture(scope="module")
def fal(base: str) -> Any:
    """fal's client, told where the server is."""
    with official_client(base) as client:
        yield client


@pytest.mark.parametrize("image_format", ImageFormat)
def test_each_format_is_delivered(fal: fal_client.SyncClient, image_format: ImageFormat) -> None:
    """The file is of the format asked for, and says so by its name, its type and its first bytes."""
    output = fal.run(
        SCHNELL, arguments={"prompt": "a", "image_size": SMALL, "seed": 1, "output_format": image_format.value}
    )
    (image,) = output["images"]
    file = httpx.get(image["url"])

    assert image["file_name"].endswith(f".{image_format.value}")
    assert image["content_type"] == file.headers["content-type"] == image_format.content_type
    assert Image.open(io.BytesIO(file.content)).format == image_format.name


def test_quality_makes_other_files(fal: fal_client.SyncClient) -> None:
    """Each quality is a picture of its own for the cache, and none is what the format usually has."""

    def url(**encoding: object) -> str:
        arguments = {"prompt": "a", "image_size": SMALL, "seed": 1, "output_format": "webp"} | encoding
        return str(fal.run(SCHNELL, arguments=arguments)["images"][0]["url"])

    assert len({url(), url(output_quality=10), url(output_quality=100)}) == 3
    assert url(output_quality=10) == url(output_quality=10)


def test_documents_name_the_formats(base: str) -> None:
    """The OpenAPI document of an endpoint lists what it can deliver, and within which bounds."""
    document = httpx.get(f"{base}/api/openapi/queue/openapi.json", params={"endpoint_id": SCHNELL}).json()
    schemas = document["components"]["schemas"]
    quality = schemas["FluxSchnellInput"]["properties"]["output_quality"]

    assert schemas["ImageFormat"]["enum"] == ["png", "jpeg", "webp", "avif"]
    assert (quality["minimum"], quality["maximum"], quality["nullable"]) == (1, 100, True)
