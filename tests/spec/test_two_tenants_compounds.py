"""Two tenants of one server: batches and workflows, and the requests that they are made of, are their tenant's own."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from two_tenants import House, house

ENDPOINT = "fal-ai/flux/schnell"
NEVER = "00000000-0000-4000-8000-000000000000"
ROW = {"endpoint": ENDPOINT, "prompt": "a dot", "seed": 7, "image_size": {"width": 64, "height": 64}}
NODE = {"type": "run", "app": ENDPOINT, "input": {"prompt": "$input.prompt"}}
WORKFLOW = {"workflow": {"nodes": {"a": NODE}, "output": {"x": "$a.images.0.url"}}, "input": {"prompt": "a dot"}}


@dataclass(frozen=True, slots=True)
class Pair:
    """A server, and a client for each of its tenants."""

    house: House
    ann: httpx.AsyncClient
    bob: httpx.AsyncClient

    async def finished(self, path: str, body: Any, **options: Any) -> str:
        """The id of Ann's batch or workflow, which is over."""
        options = {"json": body} if not isinstance(body, bytes) else {"content": body, **options}
        answer = (await self.ann.post(path, **options)).raise_for_status().json()
        request_id = str(answer.get("request_id") or answer["id"])
        async with self.ann.stream("GET", f"/queue/x/y/requests/{request_id}/status/stream") as stream:
            await stream.aread()
        return request_id

    async def looked(self, path: str, method: str = "GET") -> tuple[int, str, list[str]]:
        """What Bob is answered, and the look-ups that it took."""
        del self.house.lookups[:]
        answer = await self.bob.request(method, path)
        return answer.status_code, answer.text, list(self.house.lookups)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Ann and Bob."""
    async with house("memory") as built:
        keys = [await built.key(tenant) for tenant in ("ann", "bob")]
        async with built.client(f"Key {keys[0].text}") as ann, built.client(f"Key {keys[1].text}") as bob:
            for client in (ann, bob):
                await client.get("/usage")
            yield Pair(built, ann, bob)


@pytest.fixture
async def batch_id(pair: Pair) -> str:
    """A batch of Ann's."""
    headers = {"Content-Type": "application/jsonl"}
    return await pair.finished("/batches", json.dumps(ROW).encode(), headers=headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/batches/{}"),
        ("GET", "/batches/{}/manifest"),
        ("POST", "/batches/{}/cancel"),
        ("GET", "/queue/x/y/requests/{}"),
        ("PUT", "/queue/x/y/requests/{}/cancel"),
    ],
)
async def test_batches_of_others(pair: Pair, batch_id: str, method: str, path: str) -> None:
    """Another tenant's batch is as unknown as one that never was, by the same look-ups."""
    there = await pair.looked(path.format(batch_id), method)

    assert there == await pair.looked(path.format(NEVER), method)
    assert there[0] == 404
    assert (await pair.ann.get(f"/batches/{batch_id}")).json()["status"] == "completed"


async def test_rows_of_others(pair: Pair, batch_id: str) -> None:
    """Nor can the rows of a batch be asked for, although their ids can be guessed from its own."""
    assert await pair.looked(f"/queue/x/y/requests/{batch_id}-0") == await pair.looked(f"/queue/x/y/requests/{NEVER}-0")
    assert (await pair.ann.get(f"/queue/x/y/requests/{batch_id}-0")).status_code == 200


async def test_workflows_of_others(pair: Pair) -> None:
    """A workflow and its nodes are their tenant's own."""
    request_id = await pair.finished("/queue/workflows/execute", WORKFLOW)

    for asked in (request_id, f"{request_id}-0"):
        path = f"/queue/x/y/requests/{asked}"
        assert (await pair.bob.get(path)).status_code == 404
        assert (await pair.ann.get(path)).status_code == 200


async def test_a_key_is_needed(pair: Pair) -> None:
    """Nobody begins a batch or a workflow without one."""
    async with pair.house.client(None) as nobody:
        answers = [await nobody.post(path, json={}) for path in ("/batches", "/run/workflows/execute")]

    assert [answer.status_code for answer in answers] == [401, 401]
