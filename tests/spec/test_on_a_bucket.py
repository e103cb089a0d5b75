"""A whole Darkroom whose files lie in a bucket, as a user runs it."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from s3_server import new_bucket, s3_server
from solo_server import solo

ASKED = {"prompt": "a red circle", "image_size": {"width": 64, "height": 64}, "seed": 1}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """The URL of an S3-compatible server, whose credentials are in the environment."""
    with s3_server() as url:
        yield url


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a secret, for which a bucket has no place."""
    path = tmp_path_factory.mktemp("secret") / "secret"
    path.write_bytes(b"s" * 32)
    return path


@pytest.mark.parametrize("direct", [False, True], ids=["through us", "directly"])
def test_pictures_and_uploads_are_in_the_bucket(tmp_path: Path, s3_url: str, secret: Path, direct: bool) -> None:
    """A picture, and an upload that a picture is made from, are kept in the bucket and read back from where it says."""
    bucket = new_bucket(s3_url)
    storage = {
        "blobs": f"s3://{bucket}/pictures",
        "s3": {"endpoint_url": s3_url, "direct_downloads": direct},
        "secret_file": str(secret),
        "jobs": f"sqlite:{tmp_path / 'jobs.sqlite'}",
    }
    endpoints = {
        "fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"},
        "fal-ai/esrgan": {"task": "upscale"},
    }
    with (
        solo(tmp_path, {"storage": storage, "endpoints": endpoints}) as (url, _),
        httpx.Client(timeout=60, follow_redirects=True, trust_env=False) as client,
    ):
        drawn = client.post(f"{url}/run/fal-ai/flux/schnell", json=ASKED).raise_for_status().json()
        picture = client.get(drawn["images"][0]["url"])
        place = client.post(f"{url}/rest/storage/upload/initiate", json={"content_type": "image/png"}).json()
        client.put(place["upload_url"], content=picture.content).raise_for_status()
        made = client.post(f"{url}/run/fal-ai/esrgan", json={"image_url": place["file_url"]}).raise_for_status().json()
        listed = client.get(f"{s3_url}/{bucket}?list-type=2").text

    key = urlsplit(drawn["images"][0]["url"]).path.rpartition("/")[2]
    assert picture.content[:3] == b"\xff\xd8\xff"
    assert picture.url.port == urlsplit(s3_url if direct else url).port
    assert made["image"]["width"] == 128
    assert f"<Key>pictures/{key}</Key>" in listed
    assert not (tmp_path / "blobs").exists()
