"""Two tenants of one server: neither can see, guess, cancel, fetch or time what is the other's.

Times are compared by counted work: an id of the other tenant's makes the same look-ups as one that never was.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import settle
from job_stores import new_schema
from postgres_server import postgres, server_programs
from sockets import connected, refused
from two_tenants import House, house

from app.errors import BadRequestError
from app.generation import LOCAL_TENANT
from app.storage.tenants import AuditQuery, Scope

ENDPOINT = "fal-ai/flux/schnell"
OPENAI = "/v1/images/generations"
PROMPT = {"prompt": "a dot", "seed": 7, "image_size": {"width": 64, "height": 64}}
NEVER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server that ends with the session; without one installed, what needs it is skipped."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with postgres(programs, ["fsync=off"]) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The setting that names an empty store, of each kind in turn."""
    match request.param:
        case "memory":
            return "memory"
        case "sqlite":
            return f"sqlite:{tmp_path / 'jobs.sqlite'}"
    return new_schema(request.getfixturevalue("postgres_url"))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tenants at one server: a client each, who speak fal's protocol and OpenAI's with their keys."""

    house: House
    ann: httpx.AsyncClient
    bob: httpx.AsyncClient

    async def submitted(self, prompt: str = "a dot", **more: Any) -> str:
        """The id of a request in Ann's queue that has come as far as it will come by itself."""
        answer = await self.ann.post(f"/queue/{ENDPOINT}", json=PROMPT | {"prompt": prompt} | more)
        request_id = str(answer.json()["request_id"])
        if prompt != "endless":
            await self.watched(request_id)
        await settle()
        return request_id

    async def watched(self, request_id: str) -> None:
        """Return when Ann's request is complete."""
        async with self.ann.stream("GET", f"/queue/{ENDPOINT}/requests/{request_id}/status/stream") as answer:
            await answer.aread()

    async def looked(self, client: httpx.AsyncClient, method: str, path: str, **more: Any) -> tuple[Any, list[str]]:
        """The whole answer to a call, and the look-ups that it took."""
        del self.house.lookups[:]
        answer = await client.request(method, path, **more)
        headers = sorted((name, value) for name, value in answer.headers.items() if name != "x-fal-request-id")
        return (answer.status_code, headers, answer.text), list(self.house.lookups)


@pytest.fixture
async def pair(jobs: str) -> AsyncIterator[Pair]:
    """Ann and Bob."""
    async with house(jobs) as built:
        keys = [await built.key(tenant) for tenant in ("ann", "bob")]
        async with built.client(f"Key {keys[0].text}") as ann, built.client(f"Key {keys[1].text}") as bob:
            for client in (ann, bob):
                await client.get("/usage")
            yield Pair(built, ann, bob)


VERBS = [
    ("GET", f"/queue/{ENDPOINT}/requests/{{id}}/status"),
    ("GET", f"/queue/{ENDPOINT}/requests/{{id}}/status?logs=1"),
    ("GET", "/queue/fal-ai/flux/requests/{id}/status"),
    ("GET", f"/queue/{ENDPOINT}/requests/{{id}}/status/stream"),
    ("GET", f"/queue/{ENDPOINT}/requests/{{id}}"),
    ("GET", f"/queue/{ENDPOINT}/requests/{{id}}/response"),
    ("PUT", f"/queue/{ENDPOINT}/requests/{{id}}/cancel"),
    ("GET", "/batches/{id}"),
    ("GET", "/batches/{id}/manifest"),
    ("POST", "/batches/{id}/cancel"),
]


@pytest.mark.parametrize("prompt", ["a dot", "endless", "broken"])
async def test_another_tenants_request_answers_as_one_that_never_was(pair: Pair, prompt: str) -> None:
    """For every verb the same status, headers, body and look-ups, whether it runs, is done, or has failed."""
    request_id = await pair.submitted(prompt)
    for method, path in VERBS:
        theirs, their_lookups = await pair.looked(pair.bob, method, path.format(id=request_id))
        nobodys, lookups = await pair.looked(pair.bob, method, path.format(id=NEVER))

        assert theirs == nobodys, (method, path)
        assert their_lookups == lookups, (method, path)
        assert theirs[0] == 404
    own = await pair.ann.get(VERBS[0][1].format(id=request_id))
    assert own.json()["status"] == ("IN_PROGRESS" if prompt == "endless" else "COMPLETED")


@pytest.mark.parametrize("prompt", ["a dot", "endless"])
async def test_through_the_proxy_protocol_it_is_the_same(pair: Pair, prompt: str) -> None:
    """The proxy serves its caller in that caller's name."""
    found = []
    for request_id in (await pair.submitted(prompt), NEVER):
        target = f"https://queue.fal.run/{ENDPOINT}/requests/{request_id}/status"
        found.append(await pair.looked(pair.bob, "GET", "/api/fal/proxy", headers={"x-fal-target-url": target}))

    assert found[0] == found[1]
    assert found[0][0][0] == 404


async def test_at_another_gateway_it_is_the_same(jobs: str) -> None:
    """A request that one gateway works on is as unknown to the other tenant at the next."""
    if jobs == "memory":
        pytest.skip("in memory there are no others")
    async with house(jobs) as first, house(jobs) as second:
        keys = [await first.key(tenant) for tenant in ("ann", "bob")]
        async with first.client(f"Key {keys[0].text}") as ann, second.client(f"Key {keys[1].text}") as bob:
            there = Pair(second, ann, bob)
            request_id = await there.submitted("endless")
            await bob.get("/usage")
            for method, path in VERBS:
                theirs = await there.looked(bob, method, path.format(id=request_id))
                assert theirs == await there.looked(bob, method, path.format(id=NEVER)), (method, path)
            async with second.client(f"Key {keys[0].text}") as ann_elsewhere:
                assert (await ann_elsewhere.get(VERBS[0][1].format(id=request_id))).status_code == 202


async def test_nobody_cancels_anothers_request(pair: Pair) -> None:
    """It runs on, and its owner can still cancel it."""
    path = f"/queue/{ENDPOINT}/requests/{await pair.submitted('endless')}"
    await pair.bob.put(f"{path}/cancel")

    assert (await pair.ann.get(f"{path}/status")).json()["status"] == "IN_PROGRESS"
    assert (await pair.ann.put(f"{path}/cancel")).status_code == 202


async def test_a_refused_input_is_its_callers(pair: Pair) -> None:
    """A request that failed at validation is kept for its tenant alone."""
    answer = await pair.ann.post(f"/queue/{ENDPOINT}", json={"prompt": 7})
    path = f"/queue/{ENDPOINT}/requests/{answer.json()['request_id']}"

    assert (await pair.ann.get(path)).status_code == 422
    assert (await pair.bob.get(path)).status_code == 404


async def test_a_workflow_is_its_callers(pair: Pair) -> None:
    """Neither it nor the requests that it is made of are found by others."""
    node = {"id": "draw", "type": "run", "depends": ["input"], "app": ENDPOINT, "input": PROMPT}
    workflow = {"nodes": {"input": {"id": "input", "type": "input", "depends": []}, "draw": node}, "output": {}}
    answer = await pair.ann.post("/queue/workflows/execute", json={"input": {}, "workflow": workflow})
    path = f"/queue/workflows/execute/requests/{answer.json()['request_id']}"

    assert (await pair.ann.get(f"{path}/status")).status_code in (200, 202)
    assert (await pair.bob.get(f"{path}/status")).status_code == 404


async def test_a_batch_is_its_callers(pair: Pair) -> None:
    """Its state and its manifest are found by its tenant alone."""
    headers = {"Content-Type": "application/jsonl"}
    begun = await pair.ann.post(f"/batches?endpoint={ENDPOINT}", content=json.dumps(PROMPT), headers=headers)
    path = f"/batches/{begun.json()['id']}"

    assert (await pair.ann.get(path)).status_code == 200
    assert [(await pair.bob.get(f"{path}{end}")).status_code for end in ("", "/manifest")] == [404, 404]


async def test_an_idempotency_key_is_known_to_its_tenant_alone(pair: Pair) -> None:
    """With one key and one input each tenant gets a request of its own; with another input none is refused."""
    headers = {"Idempotency-Key": "once"}
    path = f"/queue/{ENDPOINT}"
    first = await pair.ann.post(path, json=PROMPT, headers=headers)
    again = await pair.ann.post(path, json=PROMPT, headers=headers)
    bobs = await pair.bob.post(path, json=PROMPT, headers=headers)
    other = await pair.bob.post(path, json=PROMPT | {"seed": 8}, headers=headers | {"Idempotency-Key": "twice"})

    assert first.json()["request_id"] == again.json()["request_id"] != bobs.json()["request_id"]
    assert other.status_code == 200


@pytest.mark.parametrize("dialect", ["fal", "openai", "queue"])
async def test_what_one_drew_is_no_hit_for_the_other(pair: Pair, dialect: str) -> None:
    """The same picture is drawn anew for another tenant, and remembered for its own."""
    for client, runs in ((pair.ann, 1), (pair.ann, 1), (pair.bob, 2), (pair.bob, 2)):
        await drawn(client, dialect)
        for _ in range(100):
            await asyncio.sleep(0.01)
            if len(pair.house.painter.runs) >= runs:
                break
        assert len(pair.house.painter.runs) == runs


async def drawn(client: httpx.AsyncClient, dialect: str) -> httpx.Response:
    """The answer to a call for the same picture, in one of the ways to call."""
    match dialect:
        case "fal":
            return await client.post(f"/run/{ENDPOINT}", json=PROMPT)
        case "openai":
            return await client.post(OPENAI, json={"prompt": "a dot", "seed": 7, "model": ENDPOINT, "size": "64x64"})
    answer = await client.post(f"/queue/{ENDPOINT}", json=PROMPT)
    path = f"/queue/{ENDPOINT}/requests/{answer.json()['request_id']}"
    async with client.stream("GET", f"{path}/status/stream") as events:
        await events.aread()
    return await client.get(path)


async def test_work_under_way_is_not_shared(pair: Pair) -> None:
    """Two calls of one tenant are one piece of work; that of the other is its own."""
    calls = [
        asyncio.create_task(client.post(f"/run/{ENDPOINT}", json=PROMPT | {"prompt": "endless"}))
        for client in (pair.ann, pair.ann, pair.bob)
    ]
    for _ in range(200):
        await asyncio.sleep(0.01)
        if len(pair.house.painter.runs) == 2:
            break
    salts = {job.file_salt for job in pair.house.painter.runs}
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)

    assert (len(pair.house.painter.runs), len(salts)) == (2, 2)


async def test_nobody_finds_a_file_by_drawing_it(pair: Pair) -> None:
    """One picture has a name for each tenant that cannot be computed from its bytes, nor from those of a tenant."""
    urls = [
        (await client.post(f"/run/{ENDPOINT}", json=PROMPT)).json()["images"][0]["url"]
        for client in (pair.ann, pair.bob)
    ]
    first, second = [await pair.ann.get(url) for url in urls]

    assert first.content == second.content
    assert urls[0] != urls[1]


async def test_nobody_deletes_anothers_file(pair: Pair) -> None:
    """It answers as a file that never was, by the same look-ups; its owner deletes it once."""
    url = (await pair.ann.post(f"/run/{ENDPOINT}", json=PROMPT)).json()["images"][0]["url"]
    nobodys, lookups = await pair.looked(pair.bob, "DELETE", f"/files/{'0' * 40}.jpeg")
    theirs, their_lookups = await pair.looked(pair.bob, "DELETE", url)

    assert theirs == nobodys
    assert their_lookups == lookups
    assert (await pair.ann.get(url)).status_code == 200
    assert [(await pair.ann.delete(url)).status_code for _ in range(2)] == [204, 404]
    assert (await pair.ann.get(url)).status_code == 404


async def test_what_was_made_of_a_file_goes_with_it(pair: Pair) -> None:
    """A deleted picture is found in no form in which a device may want it."""
    url = (await pair.ann.post(f"/run/{ENDPOINT}", json=PROMPT)).json()["images"][0]["url"]
    wishes = {"Accept": "image/webp", "Sec-CH-Width": "16"}
    assert (await pair.bob.get(url, headers=wishes)).headers["content-type"] == "image/webp"
    await pair.ann.delete(url)

    assert (await pair.bob.get(url, headers=wishes)).status_code == 404


async def test_an_upload_is_its_tenants(pair: Pair) -> None:
    """Whoever knows the URL may read it, as on fal; its tenant alone may delete it."""
    token = (await pair.ann.post("/rest/storage/auth/token", json={})).json()["token"]
    bearer = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    url = (await pair.ann.post("/files/upload", content=b"words", headers=bearer)).json()["access_url"]
    named = (await pair.ann.post("/rest/storage/upload/initiate", json={})).json()
    await pair.bob.put(named["upload_url"], content=b"more")

    assert (await pair.bob.get(url)).content == b"words"
    for each in (url, named["file_url"]):
        assert (await pair.bob.delete(each)).status_code == 404
        assert (await pair.ann.delete(each)).status_code == 204


async def test_a_realtime_token_acts_for_its_tenant(pair: Pair) -> None:
    """Who holds it draws in the name of the tenant that asked for it, and finds nobody else's pictures."""
    for client, runs in ((pair.ann, 1), (pair.ann, 1), (pair.bob, 2)):
        token = (await client.post("/rest/tokens/", json={"allowed_apps": ["flux"]})).json()
        async with connected(pair.house.app, fal_jwt_token=token) as socket:
            socket.send(PROMPT)
            assert "images" in await socket.next()
        assert len(pair.house.painter.runs) == runs


async def test_a_realtime_connection_takes_keys(pair: Pair) -> None:
    """The key in the handshake decides in whose name it draws; without one it is refused."""
    for client, runs in ((pair.ann, 1), (pair.bob, 2)):
        authorization = client.headers["authorization"]
        async with connected(pair.house.app, headers={"authorization": authorization}) as socket:
            socket.send(PROMPT)
            assert "images" in await socket.next()
        assert len(pair.house.painter.runs) == runs

    assert (await refused(pair.house.app))["type"] == "websocket.close"


async def test_a_stream_is_drawn_for_its_caller(pair: Pair) -> None:
    """Streams share neither work nor pictures with another tenant's."""
    for client, runs in ((pair.ann, 1), (pair.bob, 2)):
        answer = await client.post(f"/run/{ENDPOINT}/stream", json=PROMPT)
        assert '"images"' in answer.text
        assert len(pair.house.painter.runs) == runs


async def test_use_is_shown_to_its_tenant_alone(pair: Pair) -> None:
    """Each sees what it has used."""
    await pair.ann.post(f"/run/{ENDPOINT}", json=PROMPT)
    shown = [(await client.get("/usage")).json() for client in (pair.ann, pair.bob)]

    assert [body["tenant"] for body in shown] == ["ann", "bob"]
    assert [body["requests"]["used"] for body in shown] == [1, 0]


async def test_a_webhook_is_told_in_its_tenants_name(pair: Pair) -> None:
    """What is kept for the receiver names the tenant."""
    hook = {"fal_webhook": "https://example.com/hook"}
    answer = await pair.ann.post(f"/queue/{ENDPOINT}", json=PROMPT, params=hook)
    request_id = answer.json()["request_id"]
    await pair.watched(request_id)

    assert (await pair.house.service.status(request_id, tenant="ann")).tenant == "ann"


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [(Scope.READ, "GET"), (Scope.GENERATE, "POST"), (Scope.ADMIN, "GET POST")],
)
async def test_a_key_reaches_as_far_as_its_scopes(pair: Pair, scope: Scope, allowed: str) -> None:
    """A key to look draws nothing, a key to draw looks at nothing; refusals have each dialect's own form."""
    made = await pair.house.key("ann", scope)
    async with pair.house.client(f"Bearer {made.text}") as client:
        looked = await client.get("/v1/models")
        ran = await client.post(f"/run/{ENDPOINT}", json=PROMPT)

    assert looked.status_code == (200 if "GET" in allowed else 403)
    assert ran.status_code == (200 if "POST" in allowed else 403)
    if looked.status_code == 403:
        assert looked.json()["error"]["code"] == "insufficient_permissions"
    if ran.status_code == 403:
        assert ran.json() == {"detail": "The API key does not have the scope generate"}


async def test_the_log_tells_whose_doing_it_was(pair: Pair) -> None:
    """Submits and cancels of both are there with their keys, and of prompts and secrets nothing."""
    request_id = await pair.submitted("endless")
    await pair.ann.put(f"/queue/{ENDPOINT}/requests/{request_id}/cancel")
    await pair.bob.put(f"/queue/{ENDPOINT}/requests/{request_id}/cancel")
    await pair.house.tenancy.notebook.flush()
    entries = await pair.house.tenants.entries(AuditQuery())
    told = [(entry.tenant, entry.action, entry.subject, entry.outcome) for entry in entries]

    assert ("ann", "submit", request_id, "200") in told
    assert ("ann", "cancel", request_id, "202") in told
    assert ("bob", "cancel", request_id, "404") in told
    assert "endless" not in str(entries)
    assert pair.ann.headers["authorization"].partition(":")[2] not in str(entries)


async def test_nobody_is_local_by_a_key(pair: Pair) -> None:
    """What callers without a key have is unknown to those with one."""
    view = await pair.house.service.record_failure(
        str(uuid.uuid4()), ENDPOINT, BadRequestError("x"), tenant=LOCAL_TENANT
    )

    assert (await pair.ann.get(f"/queue/{ENDPOINT}/requests/{view.request_id}/status")).status_code == 404
