"""Pictures by URL as devices want them, from a running server."""

import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from painting import Studio, studio
from PIL import Image

from app.api.client_hints import VARYING
from app.generation import ImageFormat
from app.inference.pictures import encode_picture

SCHNELL = "fal-ai/flux/schnell"
SAVING = {"Save-Data": "on"}
ASKED = {"prompt": "a", "seed": 3, "image_size": {"width": 640, "height": 480}, "output_format": "png"}


@pytest.fixture(scope="module")
def place() -> Iterator[Studio]:
    """A running server."""
    with studio() as place:
        yield place


@pytest.fixture(scope="module")
def url(place: Studio) -> str:
    """The URL of a finished PNG of 640 by 480 pixels."""
    answer = httpx.post(f"{place.url}/run/{SCHNELL}", json=ASKED)
    return str(answer.json()["images"][0]["url"])


def seen(answer: httpx.Response) -> tuple[str, Any, tuple[int, int]]:
    """The type that is told, the format that it is, and the size."""
    image = Image.open(io.BytesIO(answer.raise_for_status().content))
    return answer.headers["content-type"], image.format, image.size


def test_unless_asked_it_is_the_file_itself(place: Studio, url: str) -> None:
    """A client that tells nothing has the stored bytes, and caches are told what they would depend on."""
    answer = httpx.get(url)

    assert answer.content == place.painter.blobs.files[url.rpartition("/")[2]]
    assert VARYING in answer.headers["vary"]
    assert "Sec-CH-Width" in answer.headers["accept-ch"]


@pytest.mark.parametrize("name", ["webp", "avif", "jpeg"])
def test_the_format_that_is_welcome(url: str, name: str) -> None:
    """A client that accepts another format alone has it, at the size of the picture."""
    answer = httpx.get(url, headers={"Accept": f"image/{name}"})

    assert seen(answer) == (f"image/{name}", name.upper(), (640, 480))


def test_the_width_that_suits(url: str) -> None:
    """A smaller device has a smaller picture of the same shape; none is larger than it was drawn."""
    small, large = (httpx.get(url, headers={"Sec-CH-Width": width}) for width in ("300", "3000"))

    assert seen(small) == ("image/png", "PNG", (384, 288))
    assert large.content == httpx.get(url).content
    assert len(small.content) < len(large.content)


def test_saving_data(place: Studio) -> None:
    """Who wants to save data has a smaller file of the same picture."""
    noise = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)
    place.painter.blobs.files["noise.png"] = encode_picture(noise, ImageFormat.PNG)
    headers = {"Accept": "image/webp"}
    usual, lean = (httpx.get(f"{place.url}/files/noise.png", headers=headers | more) for more in ({}, SAVING))

    assert seen(usual)[1:] == seen(lean)[1:] == ("WEBP", (96, 96))
    assert len(lean.content) < len(usual.content)
    assert lean.headers["etag"] != usual.headers["etag"]


def test_versions_are_made_once(place: Studio, url: str) -> None:
    """A version is kept, has a tag of its own, and can be had in parts."""
    headers = {"Accept": "image/avif", "Sec-CH-Width": "128"}
    first = httpx.get(url, headers=headers)
    kept = len(place.painter.blobs.files)
    part = httpx.get(url, headers=headers | {"Range": "bytes=2-5"})
    again = httpx.get(url, headers=headers | {"If-None-Match": first.headers["etag"]})

    assert (part.status_code, part.content) == (206, first.content[2:6])
    assert again.status_code == 304
    assert len(place.painter.blobs.files) == kept
    assert first.headers["etag"] != httpx.get(url).headers["etag"]


def test_versions_are_no_files_of_their_own(place: Studio, url: str) -> None:
    """A version can be had by the picture's URL alone, and goes when the picture is deleted."""
    output = httpx.post(f"{place.url}/run/{SCHNELL}", json=ASKED | {"seed": 4}).json()
    own = output["images"][0]["url"]
    httpx.get(own, headers={"Accept": "image/webp"}).raise_for_status()
    stem = own.rpartition("/")[2].partition(".")[0]
    (derived,) = [key for key in place.painter.blobs.files if key.startswith(f"derived/{stem}")]

    assert httpx.get(f"{place.url}/files/{derived}").status_code == 404
    httpx.delete(own)
    assert (derived in place.painter.blobs.files) == (httpx.get(own).status_code == 200)


def test_uploads_stay_as_they_are(place: Studio) -> None:
    """What a caller uploaded is never decoded to be given out."""
    named = httpx.post(f"{place.url}/rest/storage/upload/initiate", json={"content_type": "image/png"}).json()
    httpx.put(named["upload_url"], content=b"no picture").raise_for_status()
    answer = httpx.get(named["file_url"], headers={"Accept": "image/webp", "Sec-CH-Width": "64"})

    assert (answer.content, "accept-ch" in answer.headers) == (b"no picture", False)


@pytest.mark.parametrize("accept", ["image/png", "image/webp", "image/*", "image/avif, application/json;q=0.5"])
def test_pictures_as_answers(place: Studio, accept: str) -> None:
    """Who would rather have a picture than JSON is answered with it, directly and from the queue."""
    queued = httpx.post(f"{place.url}/queue/{SCHNELL}", json=ASKED).json()
    while httpx.get(queued["status_url"]).status_code == 202:
        pass
    direct = httpx.post(f"{place.url}/run/{SCHNELL}", json=ASKED, headers={"Accept": accept})
    result = httpx.get(queued["response_url"], headers={"Accept": accept})

    assert seen(direct) == seen(result)
    assert seen(direct)[0] == accept.partition(",")[0].replace("*", "png")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, image/png", "*/*;q=0.8"])
def test_json_as_answers(place: Studio, accept: str) -> None:
    """Everybody else has JSON, and errors are always told in it."""
    answer = httpx.post(f"{place.url}/run/{SCHNELL}", json=ASKED, headers={"Accept": accept})
    refused = httpx.post(f"{place.url}/run/{SCHNELL}", json={}, headers={"Accept": "image/png"})

    assert "images" in answer.json()
    assert (refused.status_code, "detail" in refused.json()) == (422, True)
