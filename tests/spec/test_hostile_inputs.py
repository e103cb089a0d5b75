"""Hostile inputs against `darkroom solo` as a user runs it: each is answered, in time, and does nothing.

No answer is an internal error, nothing is called that callers may not call, no file is written
beside the blobs, and nothing unforeseen stands in the log.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hostile import PATIENCE_S, Canary, answer_to, canary, corpus, octets, request
from hostile_pictures import built
from solo_server import solo
from websockets.sync.client import connect

URLS, IMAGES, JSON, FRAMES = corpus("urls"), corpus("images"), corpus("json"), corpus("frames")
HEADERS, PATHS, FORMS = corpus("headers"), corpus("paths"), corpus("multipart")
LEAST = 200
BODY_BYTES = 2_900_000
SETTINGS = {
    "server": {"max_body_bytes": BODY_BYTES},
    "fetch": {"timeout_s": 5.0},
    "endpoints": {
        "fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch", "default_steps": 1},
        "fal-ai/flux/dev/image-to-image": {"task": "image_to_image", "variant": "sketch", "default_steps": 1},
        "fal-ai/fast-lcm-diffusion": {"task": "text_to_image", "variant": "sketch", "default_steps": 1},
        "fal-ai/esrgan": {"task": "upscale"},
    },
}
SUBMIT = "/queue/fal-ai/flux/schnell"
JSON_ROUTES = (
    "/run/fal-ai/flux/schnell",
    SUBMIT,
    "/run/fal-ai/flux/schnell/stream",
    "/rest/tokens/",
    "/rest/storage/upload/initiate",
    "/v1/images/generations",
    "/run/workflows/execute",
    "/queue/workflows/execute",
    "/batches",
)
# Written plainly enough that a webhook to them is accepted, and that any client would find the canary.
REACHABLE = (
    "http://127.0.0.1:{canary}/",
    "http://localhost:{canary}/",
    "http://[::1]:{canary}/",
    "http://127.1:{canary}/",
)
INVALID = b'{"prompt": 1}'
FORM = "multipart/form-data; boundary=x"

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Target:
    """A running server, what it may write to, and who must not hear of it."""

    url: str
    port: int
    folder: Path
    before: frozenset[Path]
    bearer: str
    watch: Canary

    def log(self) -> str:
        """What the server has logged."""
        return (self.folder / "solo.log").read_text(encoding="utf-8", errors="replace")

    def status(self, sent: bytes, *, ends: bool = False) -> int:
        """The status that a request is answered with, 0 for none; never an internal error."""
        status, received = answer_to(self.port, sent, ends=ends)
        assert status < 500, received[:2000]
        assert b"\r\nX-Injected:" not in received
        return status

    def post(self, path: str, body: bytes, content_type: bytes = b"application/json") -> int:
        """The status of a POST that is well formed but for its body."""
        lines = [*self.usual(body), b"Content-Type: " + content_type]
        return self.status(request(b"POST", path.encode(), lines, body))

    def usual(self, body: bytes) -> list[bytes]:
        """The headers of a request that ends when it is answered."""
        length = str(len(body)).encode()
        return [b"Host: 127.0.0.1:%d" % self.port, b"Connection: close", b"Content-Length: " + length]


def files_of(folder: Path) -> frozenset[Path]:
    """Every file that is not a blob."""
    return frozenset(path for path in folder.rglob("*") if path.is_file() and folder / "blobs" not in path.parents)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The server, which ends with the module."""
    folder = tmp_path_factory.mktemp("hostile")
    with canary() as watch, solo(folder, SETTINGS) as (url, _):
        token = httpx.post(f"{url}/rest/storage/auth/token", json={}).json()["token"]
        yield Target(url, int(url.rpartition(":")[2]), folder, files_of(folder), token, watch)


def named(cases: list[Any]) -> Any:
    """Parametrises a test by cases with names."""
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


@pytest.mark.parametrize("url", URLS, ids=ascii)
def test_an_address_is_refused(target: Target, url: str) -> None:
    """A picture that only we could reach is answered with 422."""
    body = json.dumps({"image_url": url.replace("{canary}", str(target.watch.port))}).encode()

    assert target.post("/run/fal-ai/esrgan", body) == 422


@pytest.mark.parametrize("url", URLS, ids=ascii)
def test_a_file_of_jobs_is_refused_as_well(target: Target, url: str) -> None:
    """Rows of a batch that only we could reach are answered with 422."""
    body = json.dumps({"input_url": url.replace("{canary}", str(target.watch.port))}).encode()

    assert target.post("/batches", body) == 422


@named(IMAGES)
def test_a_file_is_a_picture_or_refused(target: Target, case: dict[str, Any]) -> None:
    """What can be decoded within the limits is answered, everything else refused, in JSON and in forms."""
    file = built(case["build"])
    uri = "data:image/png;base64," + base64.b64encode(file).decode()
    field = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    fields = [(b"prompt", b"a"), (b"model", b"fal-ai/flux/dev/image-to-image"), (b"size", b"64x64")]
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
    form = b"".join([*(field % each for each in fields), head, file, b"\r\n--x--\r\n"])

    assert target.post("/run/fal-ai/esrgan", json.dumps({"image_url": uri}).encode()) in (200, 422)
    assert target.post("/v1/images/edits", form, FORM.encode()) in (200, 400)


@named(IMAGES)
def test_a_file_that_is_kept_is_only_data(target: Target, case: dict[str, Any]) -> None:
    """Whatever was uploaded comes back as it was, with orders to every browser not to run it."""
    file = built(case["build"])
    kept = httpx.post(
        f"{target.url}/cdn/files/upload",
        content=file,
        headers={"Authorization": f"Bearer {target.bearer}", "Content-Type": "text/html"},
    )
    answer = httpx.get(kept.json()["access_url"])

    assert answer.content == file
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", JSON_ROUTES)
@named(JSON)
def test_a_body_is_answered(target: Target, case: dict[str, Any], path: str) -> None:
    """A JSON body of any kind has an answer at every route."""
    assert target.post(path, octets(case["body"], canary=target.watch.port)) > 0


@named(HEADERS)
def test_headers_are_answered(target: Target, case: dict[str, Any]) -> None:
    """A request with such headers has an answer, or the connection is closed."""
    port = target.watch.port
    body = INVALID if case.get("body", True) else b""
    lines = [octets(line, canary=port) for line in case["lines"]]
    usual = target.usual(body) if body else target.usual(body)[:2]
    if not case.get("host", True):
        usual = usual[1:]
    if case.get("bearer"):
        usual.append(b"Authorization: Bearer " + target.bearer.encode())
    path, method = case.get("path", SUBMIT).encode(), case.get("method", "POST").encode()
    target.status(
        request(method, path, [*usual, *lines], body + octets(case.get("then", ""), canary=port)), ends=not body
    )


@named(PATHS)
def test_a_path_leads_nowhere(target: Target, case: dict[str, Any]) -> None:
    """No path has anything to show, and none changes anything."""
    port = target.watch.port
    body = INVALID if case.get("method") == "POST" else b""
    lines = [*target.usual(body), *(octets(line, canary=port) for line in case.get("lines", []))]
    method = octets(case.get("method", "GET"), canary=port)

    status = target.status(request(method, octets(case["path"], canary=port), lines, body))

    assert status in case.get("status", (0, 400, 401, 404, 405))


@named(FORMS)
def test_a_form_is_answered(target: Target, case: dict[str, Any]) -> None:
    """A form of any kind is refused in words."""
    body = octets(case["body"], canary=target.watch.port)
    content_type = octets(case.get("type", FORM), canary=target.watch.port)

    assert target.post("/v1/images/edits", body, content_type) == 400


@named(FRAMES)
def test_a_frame_is_answered(target: Target, case: dict[str, Any]) -> None:
    """A frame of any kind is refused in words, and the connection goes on."""
    frame = octets(case["frame"], canary=target.watch.port)
    where = f"ws://127.0.0.1:{target.port}/run/fal-ai/fast-lcm-diffusion/realtime"
    with connect(where, proxy=None) as connection:
        connection.send(frame.decode() if case.get("text") else frame)
        answers = [connection.recv(timeout=PATIENCE_S)]
        connection.send('{"prompt": 1, "request_id": "the next one"}')
        answers.append(connection.recv(timeout=PATIENCE_S))

    refused, following = map(json.loads, answers)
    assert refused["type"] == following["type"] == "x-fal-error"
    assert refused["error"] == "INVALID_INPUT"
    assert following["request_id"] == "the next one"


def test_webhooks_go_nowhere_either(target: Target) -> None:
    """A result is not delivered to an address that callers may not reach."""
    urls = [url.replace("{canary}", str(target.watch.port)) for url in URLS if url.startswith(REACHABLE)]
    statuses = [target.post(f"{SUBMIT}?fal_webhook={quote(url, safe='')}", INVALID) for url in urls]

    taken = statuses.count(200)

    assert set(statuses) == {200, 400}
    wait_until(lambda: target.log().count("is given up") >= taken)


def wait_until(holds: Any) -> None:
    """Look again and again; raises TimeoutError when it does not come true."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline_s:
            raise TimeoutError
        time.sleep(0.05)


def test_nobody_was_called(target: Target) -> None:
    """The canary heard nothing of all this, and hears what does come."""
    heard = list(target.watch.heard)
    answer_to(target.watch.port, b"hello", ends=True)

    assert (heard, target.watch.heard) == ([], [b"hello"])


def test_nothing_was_written_beside_the_blobs(target: Target) -> None:
    """The files that there were are all that there are, and nothing among the blobs has a name from outside."""
    blobs = [path for path in (target.folder / "blobs").rglob("*") if path.is_file()]

    assert files_of(target.folder) == target.before
    assert not [path for path in blobs if "evil" in path.name or path.is_symlink()]


def test_nothing_unforeseen_happened(target: Target) -> None:
    """The server lives, answers, and has no traceback in its log."""
    assert httpx.get(f"{target.url}/health").status_code == 200
    assert "Traceback" not in target.log()


def test_the_log_keeps_no_secret(target: Target) -> None:
    """Neither the token of an upload nor the server's secret is in what was logged."""
    secret = (target.folder / "blobs" / ".secret").read_bytes()

    assert target.bearer not in target.log()
    assert secret not in (target.folder / "solo.log").read_bytes()
    assert secret.hex() not in target.log()


def test_the_corpus_is_large(tell: Callable[[str], None]) -> None:
    """There are hundreds of different inputs of seven kinds."""
    kinds = {"urls": URLS, "images": IMAGES, "json": JSON, "headers": HEADERS, "paths": PATHS, "forms": FORMS}
    counts = {name: len({json.dumps(each) for each in cases}) for name, cases in {**kinds, "frames": FRAMES}.items()}
    total = sum(counts.values())
    tell(f"hostile inputs: {total} ({', '.join(f'{count} {name}' for name, count in counts.items())})")

    assert total >= LEAST
    assert min(counts.values()) >= 30
