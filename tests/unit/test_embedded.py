"""A whole Darkroom in one process: real model, real router, real HTTP application."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from PIL import Image, ImageChops, ImageStat

from app.config import DarkroomSettings
from app.embedded import embedded

URL = "/run/fal-ai/flux/schnell"


@asynccontextmanager
async def client(folder: Path, *, max_batch: int = 4) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an embedded Darkroom that serves the built-in model in its native size."""
    settings = DarkroomSettings.model_validate(
        {
            "storage": {"blobs": str(folder / "blobs")},
            "cache": {"max_entries": 0},
            "variants": {
                "sketch": {"source": "builtin:sketch-fast", "native_sizes": [[64, 64]], "max_batch": max_batch}
            },
            "endpoints": {
                "fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"},
                "fal-ai/clarity-upscaler": {"task": "image_to_image", "variant": "sketch"},
            },
        }
    )
    async with (
        embedded(settings, costs_folder=folder / "costs") as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=60) as http,
    ):
        yield http


def asking(seed: int, **changes: object) -> dict[str, object]:
    """The input for one small picture, inline."""
    size = {"width": 64, "height": 64}
    usual = {"prompt": f"a red circle {seed}", "seed": seed, "image_size": size, "output_format": "png"}
    return usual | {"sync_mode": True} | changes


async def draw(http: httpx.AsyncClient, seed: int, **changes: object) -> bytes:
    """The file of one picture."""
    answer = await http.post(URL, json=asking(seed, **changes))
    url = answer.raise_for_status().json()["images"][0]["url"]
    return base64.b64decode(url.partition(",")[2])


async def test_pictures_are_the_same_alone_and_in_company(tmp_path: Path) -> None:
    """Twelve requests of three lengths at once give, byte for byte, what they give one after the other."""
    wanted = [(seed, 1 + seed % 3) for seed in range(12)]
    async with client(tmp_path) as http:
        together = await asyncio.gather(*(draw(http, seed, num_inference_steps=steps) for seed, steps in wanted))
        alone = [await draw(http, seed, num_inference_steps=steps) for seed, steps in wanted]
    assert together == alone
    assert len(set(alone)) == 12


async def test_other_sizes_come_from_the_upscaler(tmp_path: Path) -> None:
    """A picture larger than the native size has exactly the size that was asked for."""
    async with client(tmp_path) as http:
        data = await draw(http, 1, image_size={"width": 200, "height": 130})
    assert Image.open(io.BytesIO(data)).size == (200, 130)


async def test_an_upscaler_that_draws_answers_one_picture_and_its_seed(tmp_path: Path) -> None:
    """The picture drawn again at twice the size, close to the old one where little freedom is given."""
    async with client(tmp_path) as http:
        old = await draw(http, 1)
        url = f"data:image/png;base64,{base64.b64encode(old).decode()}"
        asked = {"image_url": url, "prompt": "a red circle 1", "seed": 9, "creativity": 0.1, "sync_mode": True}
        answer = (await http.post("/run/fal-ai/clarity-upscaler", json=asked)).raise_for_status().json()
    new = Image.open(io.BytesIO(base64.b64decode(answer["image"]["url"].partition(",")[2])))
    assert (new.size, answer["seed"], set(answer)) == ((128, 128), 9, {"image", "timings", "seed", "receipt"})
    before = Image.open(io.BytesIO(old)).convert("RGB")
    assert ImageStat.Stat(ImageChops.difference(new.resize((64, 64)), before)).mean < [25.0] * 3


async def test_a_stream_shows_the_picture_on_its_way(tmp_path: Path) -> None:
    """Every step but the last carries a small JPEG; the last event is the whole output."""
    async with client(tmp_path) as http:
        answer = await http.post(f"{URL}/stream", json=asking(5, num_inference_steps=3))
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data: ")]
    previews = [event["images"][0]["url"] for event in events[1:3]]
    pictures = [Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) for url in previews]
    assert [(picture.format, picture.size) for picture in pictures] == [("JPEG", (64, 64))] * 2
    assert events[-1]["receipts"][0]["steps"] == 3
    assert previews[0] != previews[1]
