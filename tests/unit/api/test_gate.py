"""Who comes in, in whose name, and in which words others are turned away."""

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from sockets import connected, refused
from two_tenants import House, entry_about, house

from app.config import AuthSettings, KeyRule, QuotaSettings
from app.storage.tenants import AuditQuery, Scope

RUN = "/run/fal-ai/flux/schnell"
PROMPT = {"prompt": "a secret prompt", "seed": 7, "image_size": {"width": 64, "height": 64}}
OPENAI = {"prompt": "a secret prompt", "model": "fal-ai/flux/schnell", "size": "64x64"}
AUTO = AuthSettings()
FAST = AuthSettings(required=KeyRule.ALWAYS, key_staleness_s=1e-9)


@pytest.fixture
async def closed() -> AsyncIterator[House]:
    """A server that wants a key from everybody."""
    async with house("memory", auth=FAST) as built:
        yield built


@pytest.fixture
async def local() -> AsyncIterator[House]:
    """A server on the loopback that wants keys from elsewhere."""
    async with house("memory", auth=AUTO) as built:
        yield built


async def test_without_a_key_fals_dialect_says_so(closed: House) -> None:
    """401 with a detail, the call's id and the headers that browsers need."""
    async with closed.client(None, Origin="https://example.com") as client:
        answer = await client.post(RUN, json=PROMPT)

    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("This server wants an API key")
    assert answer.headers["x-fal-request-id"]
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_without_a_key_openais_dialect_says_so(closed: House) -> None:
    """401 in its envelope, by which its client raises AuthenticationError."""
    async with closed.client(None) as client:
        answer = await client.post("/v1/images/generations", json=OPENAI)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert answer.headers["x-request-id"] == answer.headers["x-fal-request-id"]


async def test_a_socket_without_a_key_is_not_opened(closed: House) -> None:
    """The handshake is refused, with the reason where the server can send one."""
    told = await refused(closed.app, extensions=("websocket.http.response",))
    bare = await refused(closed.app)

    assert (told["type"], told["status"]) == ("websocket.http.response.start", 401)
    assert bare["type"] == "websocket.close"


@pytest.mark.parametrize("path", ["/files/upload", "/health", "/files/a.png", "/cdn/files/x.png"])
async def test_no_socket_is_opened_by_a_path_that_is_open(closed: House, path: str) -> None:
    """What is open to other calls is not to a connection for drawing."""
    told = await refused(closed.app, path, extensions=("websocket.http.response",))

    assert told["status"] == 401


async def test_refused_inputs_count(closed: House) -> None:
    """They are kept like others, so that nobody fills the store with nonsense."""
    made = await closed.key("acme")
    async with closed.client(f"Key {made.text}") as client:
        await client.post("/queue/fal-ai/flux/schnell", json={"prompt": 7})
        used = (await client.get("/usage")).json()["requests"]["used"]

    assert used == 1


@pytest.mark.parametrize("scheme", ["Key", "Bearer"])
async def test_a_key_opens_both_dialects(closed: House, scheme: str) -> None:
    """One key, as fal's clients write it or as OpenAI's do."""
    made = await closed.key("acme")
    async with closed.client(f"{scheme} {made.text}") as client:
        answers = [
            await client.post(RUN, json=PROMPT),
            await client.post("/v1/images/generations", json=OPENAI),
            await client.get("/v1/models"),
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize("shown", ["Key any:key", "Key dk-0000000000000000:" + "s" * 43, "Bearer x", "Basic eDp5"])
async def test_other_keys_open_nothing(closed: House, shown: str) -> None:
    """Whatever a header holds that is no key of ours."""
    async with closed.client(shown) as client:
        assert (await client.post(RUN, json=PROMPT)).status_code == 401


async def test_on_this_machine_any_key_will_do(local: House) -> None:
    """Official clients must send one; what is no key of ours counts for nothing."""
    for shown in (None, "Key any", "Key any:key"):
        async with local.client(shown) as client:
            assert (await client.get("/usage")).json()["tenant"] == "local"


async def test_on_this_machine_a_key_of_ours_counts(local: House) -> None:
    """A good one acts in its tenant's name; one that has ended opens nothing rather than something else."""
    made = await local.key("acme")
    async with local.client(f"Key {made.text}") as client:
        assert (await client.get("/usage")).json()["tenant"] == "acme"
        await local.tenants.put_key(replace(made.record, revoked_s=time.time()), entry_about(made))
    async with local.client(f"Key {made.text[:-1]}x") as client:
        assert (await client.get("/usage")).status_code == 401


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 401),
        ("0.0.0.0", {}, 401),
    ],
)
async def test_elsewhere_a_key_is_needed(host: str, headers: dict[str, str], status: int) -> None:
    """Where the server is open to the network, and where a proxy speaks for somebody elsewhere."""
    async with house("memory", auth=AUTO, host=host) as built, built.client(None, **headers) as client:
        assert (await client.get("/usage")).status_code == status


async def test_what_is_open_needs_none(closed: House) -> None:
    """Health, the keys of webhooks, and files by their URLs."""
    made = await closed.key("acme")
    async with closed.client(f"Key {made.text}") as owner:
        url = (await owner.post(RUN, json=PROMPT)).json()["images"][0]["url"]
    async with closed.client(None) as client:
        paths = ("/health", "/ready", "/rest/.well-known/jwks.json", url)
        assert [(await client.get(path)).status_code for path in paths] == [200] * 4


async def test_a_revoked_key_takes_its_tokens_along(closed: House) -> None:
    """Tokens for uploads and sockets, and signed URLs, are good as long as the key that they were given for."""
    made = await closed.key("acme")
    async with closed.client(f"Key {made.text}") as client:
        realtime = (await client.post("/rest/tokens/", json={"allowed_apps": ["flux"]})).json()
        upload = (await client.post("/rest/storage/auth/token", json={})).json()["token"]
        signed = (await client.post("/rest/storage/upload/initiate", json={})).json()["upload_url"]
        async with connected(closed.app, fal_jwt_token=realtime):
            pass
        await closed.tenants.put_key(replace(made.record, revoked_s=time.time()), entry_about(made))
    async with closed.client(None) as client:
        tried = [
            await client.post("/files/upload", content=b"x", headers={"Authorization": f"Bearer {upload}"}),
            await client.put(signed, content=b"x"),
            await client.post(f"{RUN}/stream?fal_jwt_token={realtime}", json=PROMPT),
        ]

    assert [answer.status_code for answer in tried] == [401] * 3
    assert (await refused(closed.app, fal_jwt_token=realtime))["type"] == "websocket.close"


async def test_a_token_opens_what_it_is_for_alone(closed: House) -> None:
    """A realtime token is no key for other calls."""
    made = await closed.key("acme")
    async with closed.client(f"Key {made.text}") as client:
        token = (await client.post("/rest/tokens/", json={"allowed_apps": ["flux"]})).json()
    async with closed.client(None) as client:
        streamed = await client.post(f"{RUN}/stream?fal_jwt_token={token}", json=PROMPT)
        others = [
            await client.post(f"{RUN}?fal_jwt_token={token}", json=PROMPT),
            await client.get(f"/usage?fal_jwt_token={token}"),
        ]

    assert streamed.status_code == 200
    assert [answer.status_code for answer in others] == [401, 401]


async def test_a_quota_is_told_in_each_dialects_form() -> None:
    """429 with the seconds to wait; a request beyond it is not begun, in whatever way it comes."""
    auth = AuthSettings(required=KeyRule.ALWAYS, quota=QuotaSettings(requests=1, window_s=60))
    async with house("memory", auth=auth) as built:
        made = await built.key("acme")
        async with built.client(f"Key {made.text}") as client:
            assert (await client.post(RUN, json=PROMPT)).status_code == 200
            fal = await client.post(RUN, json=PROMPT)
            queued = await client.post("/queue/fal-ai/flux/schnell", json=PROMPT)
            streamed = await client.post(f"{RUN}/stream", json=PROMPT)
            openai = await client.post("/v1/images/generations", json=OPENAI)
        async with connected(built.app, headers={"authorization": f"Key {made.text}"}) as socket:
            socket.send(PROMPT)
            frame = await socket.next()
        runs = len(built.painter.runs)

    for answer in (fal, queued, streamed, openai):
        assert answer.status_code == 429
        assert 50 <= int(answer.headers["retry-after"]) <= 70
    assert fal.json()["error_type"] == "rate_limit_exceeded"
    assert openai.json()["error"]["code"] == "rate_limit_exceeded"
    assert frame["error"] == "RATE_LIMIT_EXCEEDED"
    assert runs == 1


async def test_uploads_count_as_stored() -> None:
    """Beyond its bytes a tenant uploads nothing more, until it deletes something."""
    auth = AuthSettings(required=KeyRule.ALWAYS, quota=QuotaSettings(stored_bytes=5), usage_staleness_s=1e-9)
    async with house("memory", auth=auth) as built:
        made = await built.key("acme")
        async with built.client(f"Key {made.text}") as client:
            url = await uploaded(client, b"12345")
            full = await client.post("/rest/storage/upload/initiate", json={})
            await client.delete(url)
            again = await client.post("/rest/storage/upload/initiate", json={})

    assert (full.status_code, again.status_code) == (429, 200)


async def uploaded(client: httpx.AsyncClient, data: bytes) -> str:
    """The URL of a file that was put at a signed one."""
    named = (await client.post("/rest/storage/upload/initiate", json={})).json()
    (await client.put(named["upload_url"], content=data)).raise_for_status()
    return str(named["file_url"])


async def test_refusals_are_written_down_once_a_minute(closed: House) -> None:
    """The log has who knocked, and is not filled by knocking."""
    async with closed.client("Key dk-0000000000000000:" + "s" * 43, **{"X-Forwarded-For": "a\x1b[31m"}) as client:
        for _ in range(20):
            await client.post(RUN, json=PROMPT)
    await closed.tenancy.notebook.flush()
    (entry,) = await closed.tenants.entries(AuditQuery(action="refused"))

    assert (entry.tenant, entry.key_id, entry.outcome) == ("", "dk-0000000000000000", "401")
    assert entry.origin == "127.0.0.1 for a?[31m"


async def test_no_key_and_no_prompt_reaches_a_log(closed: House, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is logged at whatever level, and whatever is in the audit log, secrets are in neither."""
    caplog.set_level(logging.DEBUG)
    good, ended = await closed.key("acme"), await closed.key("acme", expires_s=1.0)
    narrow = await closed.key("acme", Scope.READ)
    for made in (good, ended, narrow):
        async with closed.client(f"Key {made.text}") as client:
            for prompt in ("a secret prompt", "broken"):
                await client.post(RUN, json=PROMPT | {"prompt": prompt})
            await client.post("/rest/tokens/", json={"allowed_apps": ["flux"]})
            await client.delete("/files/none.png")
    await closed.tenancy.notebook.flush()
    written = caplog.text + str(await closed.tenants.entries(AuditQuery()))

    assert "dk-" in written
    assert "secret prompt" not in written
    for made in (good, ended, narrow):
        assert made.text.partition(":")[2] not in written
