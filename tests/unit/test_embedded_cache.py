"""The cache of a whole Darkroom in one process: real pictures, real requests, real receipts."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from app.config import DarkroomSettings
from app.embedded import embedded

URL = "/run/fal-ai/flux/schnell"


@asynccontextmanager
async def client(
    folder: Path, level: str = "canonical", similar: dict[str, Any] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an embedded Darkroom whose cache goes so far."""
    settings = DarkroomSettings.model_validate(
        {
            "storage": {"blobs": str(folder / "blobs")},
            "cache": {"level": level, "similar": similar or {}},
            "variants": {"sketch": {"source": "builtin:sketch-fast", "native_sizes": [[64, 64]]}},
            "endpoints": {"fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"}},
        }
    )
    async with (
        embedded(settings, costs_folder=folder / "costs") as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=60) as http,
    ):
        yield http


async def draw(http: httpx.AsyncClient, prompt: str, **changes: object) -> tuple[str, dict[str, Any]]:
    """Where the picture came from, and the whole answer."""
    asked = {"prompt": prompt, "image_size": {"width": 64, "height": 64}, "num_inference_steps": 2} | changes
    output = (await http.post(URL, json=asked)).raise_for_status().json()
    return output["receipts"][0]["cache"], output


async def test_another_wording_costs_nothing(tmp_path: Path) -> None:
    """Without a seed, two wordings get one picture, whose seed draws it again; swapped colours get another."""
    async with client(tmp_path) as http:
        made, first = await draw(http, "a red circle and a blue square")
        found, second = await draw(http, "Please draw a red circle and a blue square!")
        again, third = await draw(http, "a red circle and a blue square", seed=second["seed"])
        other, _ = await draw(http, "a blue circle and a red square")

    assert (made, found, again, other) == ("none", "canonical", "exact", "none")
    assert first["images"] == second["images"] == third["images"]
    assert first["seed"] == second["seed"]
    assert second["receipts"][0]["gpu_ms"] == 0


async def test_a_caller_says_how_far_the_cache_may_go(tmp_path: Path) -> None:
    """Its own words again mean another picture; with less of the cache, other words do too."""
    async with client(tmp_path) as http:
        _, first = await draw(http, "a red circle")
        repeated, second = await draw(http, "a red circle")
        exact, _ = await draw(http, "A red circle.", cache="exact")
        off, _ = await draw(http, "a red circle", cache="off", seed=first["seed"])

    assert (repeated, exact, off) == ("none", "none", "none")
    assert first["images"][0]["url"] != second["images"][0]["url"]


async def test_the_configuration_has_the_last_word(tmp_path: Path) -> None:
    """Where only exact repetition is allowed, nobody gets more by asking for it."""
    async with client(tmp_path, level="exact") as http:
        await draw(http, "a red circle", seed=1)
        exact, _ = await draw(http, "a red circle", seed=1)
        wording, _ = await draw(http, "A red circle.", cache="canonical")

    assert (exact, wording) == ("exact", "none")


async def test_similarity_is_earned_and_served(tmp_path: Path) -> None:
    """Right hits in shadow earn a band its right; the next similar request gets a stored picture that shows it."""
    similar = {"max_false_hit_rate": 0.3, "encoder": "builtin:sketch", "floors": [0.99]}
    async with client(tmp_path, level="similar", similar=similar) as http:
        levels = []
        for colour, shape in itertools.product(("red", "blue", "green"), ("circle", "square", "cross")):
            for background in ("on a grey background", "against a grey backdrop", "over grey", "on grey"):
                level, _ = await draw(http, f"a {colour} {shape} {background}")
                levels.append(level)
        stats = (await http.get("/cache")).json()

    assert "similar" in levels
    assert levels.index("similar") >= 9
    (band,) = stats["similar"][0]["bands"]
    assert (band["state"], band["audits"] >= 9) == ("earned", True)
