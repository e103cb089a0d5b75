"""The seed decides the picture: not the batch, not the replica, not the process."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

import httpx
import pytest
from cluster.conftest import Servers

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SEEDS = range(24)
ALONE = (0, 7, 23)
FEWEST_TOGETHER = 2


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture's bytes, and how it was made."""

    data: bytes
    replica: str
    batch_size: float


async def draw(client: httpx.AsyncClient, seed: int) -> Drawn:
    """One picture at native size, so that nothing but the model and the encoder shapes its bytes."""
    arguments = {
        "prompt": "a red circle left of a blue square",
        "image_size": {"width": 64, "height": 64},
        "seed": seed,
        "output_format": "png",
    }
    answer = (await client.post("/run/fal-ai/flux/schnell", json=arguments)).raise_for_status().json()
    picture = await client.get(answer["images"][0]["url"])
    receipt = answer["receipts"][0]
    return Drawn(picture.raise_for_status().content, receipt["replica"], receipt["batch_size"])


async def draw_all(url: str) -> dict[int, list[Drawn]]:
    """Every seed at once, some again alone."""
    drawn = defaultdict(list)
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        for seed, picture in zip(SEEDS, await asyncio.gather(*(draw(client, seed) for seed in SEEDS)), strict=True):
            drawn[seed].append(picture)
        for seed in ALONE:
            drawn[seed].append(await draw(client, seed))
    return drawn


async def draw_some(url: str) -> list[bytes]:
    """A few seeds, one after the other."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        return [(await draw(client, seed)).data for seed in ALONE]


async def test_a_seed_gives_the_same_bytes_whoever_shares_the_batch_and_whichever_replica_draws(url: str) -> None:
    """Twice two dozen pictures at once and some alone: one set of bytes per seed, although both replicas worked."""
    rounds = [await draw_all(url) for _ in range(2)]

    by_seed = {seed: [picture for each in rounds for picture in each[seed]] for seed in SEEDS}
    drawn = [picture for pictures in by_seed.values() for picture in pictures]
    assert {len({picture.data for picture in pictures}) for pictures in by_seed.values()} == {1}
    assert len({pictures[0].data for pictures in by_seed.values()}) == len(SEEDS)
    assert len({picture.replica for picture in drawn}) == 2
    assert min(picture.batch_size for picture in drawn) == 1
    assert max(picture.batch_size for picture in drawn) >= FEWEST_TOGETHER


def test_a_seed_gives_the_same_bytes_after_a_restart(servers: Servers) -> None:
    """A server started later, behind the other proxy, draws what the one before it drew."""
    before = asyncio.run(draw_some(servers.use("haproxy").server.url))
    after = asyncio.run(draw_some(servers.use("python").server.url))

    assert before == after
