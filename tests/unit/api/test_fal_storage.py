"""fal's storage: what clients upload is found at its URL, within limits, until it expires."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fakes import FakeClock, MemoryBlobStore
from fastapi import FastAPI

from app.config import DarkroomSettings

INITIATE = "/rest/storage/upload/initiate"
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands."""
    return FakeClock(1000.0)


@pytest.fixture
async def client(
    app_of: Callable[..., FastAPI], settings: DarkroomSettings, clock: FakeClock
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that takes files of at most 100 bytes, and keeps them for 1000 s."""
    storage = settings.storage.model_copy(update={"max_upload_bytes": 100, "upload_ttl_s": 1000.0})
    app = app_of(settings.model_copy(update={"storage": storage}), clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://darkroom") as client:
        yield client


async def bearer(client: httpx.AsyncClient) -> dict[str, str]:
    """The header that lets a client upload."""
    answer = await client.post("/rest/storage/auth/token?storage_type=fal-cdn-v3", json={})
    return {"Authorization": f"Bearer {answer.json()['token']}"}


async def uploaded(client: httpx.AsyncClient, data: bytes, **headers: str) -> httpx.Response:
    """The answer to a single upload."""
    given = {**PNG, **await bearer(client), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await client.post("/cdn/files/upload", content=data, headers=given)


async def begun(client: httpx.AsyncClient) -> str:
    """The base of the URLs of parts, as fal-client builds it."""
    answer = await client.post("/files/upload/multipart", headers={**PNG, **await bearer(client)})
    return f"{answer.json()['access_url']}/multipart/{answer.json()['uploadId']}"


async def sent(client: httpx.AsyncClient, base: str, *parts: tuple[int, bytes]) -> list[dict[str, Any]]:
    """What the server says about parts that it took."""
    return [(await client.put(f"{base}/{number}", content=data)).json() for number, data in parts]


async def test_token_says_where_and_until_when(client: httpx.AsyncClient) -> None:
    """The time of expiry has an offset, because Python before 3.11 understands nothing else."""
    answer = (await client.post("/rest/storage/auth/token", json={})).json()

    assert (answer["token_type"], answer["base_url"]) == ("Bearer", "http://darkroom")
    assert answer["expires_at"].endswith("+00:00")
    assert datetime.fromisoformat(answer["expires_at"]) == datetime.fromtimestamp(4600, UTC)


async def test_an_upload_is_found_at_its_url(client: httpx.AsyncClient) -> None:
    """The bytes and their type come back, without a key."""
    url = (await uploaded(client, b"picture")).json()["access_url"]
    found = await client.get(url)

    assert url.startswith("http://darkroom/files/uploads/")
    assert (found.content, found.headers["content-type"]) == (b"picture", "image/png")


@pytest.mark.parametrize("header", ["", "Key a:b", "Bearer", "Bearer forged"])
async def test_an_upload_needs_a_token(client: httpx.AsyncClient, blobs: MemoryBlobStore, header: str) -> None:
    """Without a token of ours nothing is stored."""
    for path in ("/files/upload", "/files/upload/multipart"):
        answer = await client.post(path, content=b"x", headers={"Authorization": header})

        assert answer.status_code == 401
    assert blobs.files == {}


async def test_a_token_expires(client: httpx.AsyncClient, clock: FakeClock) -> None:
    """An hour later the client has to ask again."""
    header = await bearer(client)
    clock.now_s += 3600

    assert (await client.post("/files/upload", content=b"x", headers=header)).status_code == 401


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
async def test_a_file_has_a_largest_size(
    client: httpx.AsyncClient, blobs: MemoryBlobStore, size: int, status: int
) -> None:
    """One byte too many is refused, and nothing of the file is kept."""
    answer = await uploaded(client, b"x" * size)

    assert (answer.status_code, len(blobs.files)) == (status, int(status == 200))


@pytest.mark.parametrize("query", ["storage_type=gcs", "storage_type=fal-cdn-v3"])
async def test_a_signed_url_takes_one_file(client: httpx.AsyncClient, query: str) -> None:
    """The file is known by its URL before its bytes arrive; whatever Authorization comes with them is not looked at."""
    body = {"file_name": "a.txt", "content_type": "text/plain"}
    answer = (await client.post(f"{INITIATE}?{query}", json=body)).json()
    missing = await client.get(answer["file_url"])
    put = await client.put(answer["upload_url"], content=b"hello", headers={"Authorization": "Key a:b"})

    assert (missing.status_code, put.status_code) == (404, 200)
    assert (await client.get(answer["file_url"])).text == "hello"


async def test_a_signed_url_is_good_for_nothing_else(client: httpx.AsyncClient) -> None:
    """The token of one file does not open another, nor one of our pictures; without it nothing opens."""
    first = (await client.post(INITIATE, json={})).json()
    second = (await client.post(INITIATE, json={})).json()
    token = urlsplit(first["upload_url"]).query
    targets = (f"{second['file_url']}?{token}", second["file_url"], f"http://darkroom/files/a/b.png?{token}")

    assert [(await client.put(url, content=b"x")).status_code for url in targets] == [404, 401, 404]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"content_type": 7}'])
async def test_a_malformed_declaration_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    """What is no JSON object with a type is the caller's mistake."""
    assert (await client.post(INITIATE, content=body)).status_code in (400, 422)


async def test_parts_become_one_file(client: httpx.AsyncClient, blobs: MemoryBlobStore) -> None:
    """Parts may come and be named in any order; the file has them by number, and nothing else is left."""
    base = await begun(client)
    parts = await sent(client, base, (2, b"world"), (1, b"hello "))
    done = await client.post(f"{base}/complete", json={"parts": parts})

    assert (await client.get(done.json()["access_url"])).content == b"hello world"
    assert len(blobs.files) == 1


async def test_a_part_is_acknowledged_in_header_and_body(client: httpx.AsyncClient) -> None:
    """The Python client reads the ETag header, the JavaScript client the body."""
    answer = await client.put(f"{await begun(client)}/1", content=b"x")

    assert answer.json() == {"partNumber": 1, "etag": answer.headers["etag"]}


async def test_javascript_parts_go_to_a_signed_url(client: httpx.AsyncClient) -> None:
    """`initiate-multipart` gives a URL below which the parts and their completion go, without a token in the header."""
    answer = (await client.post("/rest/storage/upload/initiate-multipart", json={"content_type": "image/png"})).json()
    parts = await sent(client, answer["upload_url"], (1, b"a"), (2, b"b"))
    await client.post(f"{answer['upload_url']}/complete", json={"parts": parts})

    assert (await client.get(answer["file_url"])).content == b"ab"


async def test_a_part_sent_again_replaces_the_first(client: httpx.AsyncClient) -> None:
    """A client that is not sure sends a part twice."""
    base = await begun(client)
    parts = await sent(client, base, (1, b"x" * 60), (1, b"y" * 60))
    done = await client.post(f"{base}/complete", json={"parts": parts[1:]})

    assert (await client.get(done.json()["access_url"])).content == b"y" * 60


async def test_all_parts_together_have_a_largest_size(client: httpx.AsyncClient) -> None:
    """The limit counts the file, not its parts."""
    base = await begun(client)
    sizes = [(await client.put(f"{base}/{number}", content=b"x" * 60)).status_code for number in (1, 2)]

    assert sizes == [200, 413]


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"partNumber": 2, "etag": '"x"'}],
        [{"partNumber": 1, "etag": '"x"'}],
        [{"partNumber": "1", "etag": '"x"'}],
        [{}],
        "all",
    ],
)
async def test_a_completion_that_does_not_fit_is_refused(client: httpx.AsyncClient, parts: Any) -> None:
    """Missing, changed or unnamed parts make no file."""
    base = await begun(client)
    await sent(client, base, (1, b"x"))
    answer = await client.post(f"{base}/complete", json={"parts": parts})

    assert answer.status_code == 400
    assert (await client.get(base.partition("/multipart")[0])).status_code == 404


@pytest.mark.parametrize("number", ["0", "10001", "99999999999999999999"])
async def test_parts_have_numbers_up_to_ten_thousand(client: httpx.AsyncClient, number: str) -> None:
    """Other numbers are refused."""
    assert (await client.put(f"{await begun(client)}/{number}", content=b"x")).status_code == 400


async def test_parts_need_the_upload_they_belong_to(client: httpx.AsyncClient) -> None:
    """Who knows the URL of a file cannot write to it."""
    url = (await uploaded(client, b"mine")).json()["access_url"]
    foreign = (await begun(client)).rpartition("/")[2]
    answers = [(await client.put(f"{url}/multipart/{token}/1", content=b"x")).status_code for token in (foreign, "x")]

    assert answers == [404, 401]
    assert (await client.get(url)).content == b"mine"


@pytest.mark.parametrize("name", ["X-Fal-Object-Lifecycle", "X-Fal-Object-Lifecycle-Preference"])
async def test_an_upload_expires_when_its_caller_says(client: httpx.AsyncClient, clock: FakeClock, name: str) -> None:
    """After its lifetime the file is not found, and caches were told so."""
    url = (await uploaded(client, b"x", **{name: '{"expiration_duration_seconds": 60}'})).json()["access_url"]
    before = await client.get(url)
    clock.now_s += 60

    assert before.headers["cache-control"] == "public, max-age=60"
    assert (await client.get(url)).status_code == 404


async def test_without_a_wish_the_server_decides(client: httpx.AsyncClient, clock: FakeClock) -> None:
    """The configured lifetime holds for who says nothing."""
    url = (await uploaded(client, b"x")).json()["access_url"]
    clock.now_s += 999
    kept = await client.get(url)
    clock.now_s += 1

    assert (kept.status_code, (await client.get(url)).status_code) == (200, 404)


async def test_expired_files_and_forgotten_parts_are_deleted(
    client: httpx.AsyncClient, clock: FakeClock, blobs: MemoryBlobStore
) -> None:
    """The next upload clears away what nobody can have any more."""
    await uploaded(client, b"x")
    await sent(client, await begun(client), (1, b"x"))
    blobs.files["0123abcd.png"] = b"a finished picture"
    clock.now_s += 100_000
    url = (await uploaded(client, b"y")).json()["access_url"]

    assert set(blobs.files) == {"0123abcd.png", url.removeprefix("http://darkroom/files/")}


@pytest.mark.parametrize(
    "wish",
    [
        "never",
        "[]",
        '{"expiration_duration_seconds": -1}',
        '{"expiration_duration_seconds": "1d"}',
        '{"expiration_duration_seconds": true}',
        '{"expiration_duration_seconds": 1e300}',
        '{"initial_acl": {"default": "hide"}}',
        '{"initial_acl": {"default": "allow", "rules": [{"user": "u", "decision": "forbid"}]}}',
        '{"initial_acl": "nobody"}',
    ],
)
async def test_a_wish_that_cannot_be_granted_is_refused(client: httpx.AsyncClient, wish: str) -> None:
    """A file is not stored on other terms than its caller asked for."""
    answer = await uploaded(client, b"x", X_Fal_Object_Lifecycle=wish)

    assert (answer.status_code, answer.json()["error_type"]) == (400, "bad_request")


async def test_a_wish_for_everybody_is_granted(client: httpx.AsyncClient) -> None:
    """An access list that lets everybody read is what there is."""
    wish = json.dumps({"initial_acl": {"default": "allow"}, "expiration_duration_seconds": None})

    assert (await uploaded(client, b"x", X_Fal_Object_Lifecycle=wish)).status_code == 200


async def test_scripts_in_uploads_do_not_act(client: httpx.AsyncClient) -> None:
    """A browser that opens an uploaded document runs nothing of it in our name."""
    url = (await uploaded(client, b"<script>", Content_Type="text/html")).json()["access_url"]
    headers = (await client.get(url)).headers

    assert "sandbox" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
