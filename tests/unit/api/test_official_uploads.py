"""The official client's uploads, unmodified, to a server on this machine."""

import gc
import io
from collections.abc import Iterator
from pathlib import Path

import fal_client
import fal_client.client
import httpx
import pytest
from PIL import Image

# The client leaves it to the garbage collector to close the connections of its uploads.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What a test leaves open is closed before the next one, which does not expect it."""
    yield
    gc.collect()


def png(colour: str = "red") -> bytes:
    """A small picture's file."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_upload_is_input(fal: fal_client.SyncClient) -> None:
    """What was uploaded is read back without a key, and can be named as a picture."""
    lifecycle = fal_client.StorageSettings(expires_in="1h")
    url = fal.upload(png(), "image/png", file_name="in.png", lifecycle=lifecycle)
    made = fal.subscribe("fal-ai/esrgan", arguments={"image_url": url})

    assert httpx.get(url).content == png()
    assert (made["image"]["width"], made["image"]["height"]) == (128, 96)


def test_other_ways_to_upload(fal: fal_client.SyncClient, tmp_path: Path) -> None:
    """Files, pictures in memory, and the older way by a signed URL."""
    file = tmp_path / "in.png"
    file.write_bytes(png())
    urls = [
        fal.upload_file(file),
        fal.upload_image(Image.new("RGB", (64, 48), "red"), "png"),
        fal.upload(png(), "image/png", file_name="in.png", repository="fal"),
    ]

    assert [Image.open(io.BytesIO(httpx.get(url).content)).size for url in urls] == [(64, 48)] * 3


def test_an_upload_in_parts(fal: fal_client.SyncClient) -> None:
    """Large files come in parts, several at once."""
    data = bytes(range(256)) * 1000
    url = fal_client.client.MultipartUpload.save(
        client=fal._get_cdn_client(),
        token_manager=fal._token_manager,
        file_name="big.bin",
        data=data,
        content_type="application/octet-stream",
        chunk_size=100_000,
    )

    assert httpx.get(url).content == data
