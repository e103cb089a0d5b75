"""`Idempotency-Key` on queued calls."""

from collections.abc import Iterator

import httpx
import pytest
from painting import studio

from app.api.fal.idempotency import once_of
from app.errors import BadRequestError

APP = "fal-ai/flux/schnell"
PROMPT = {"prompt": "a red circle", "image_size": {"width": 64, "height": 64}, "seed": 1}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A client of a server whose pictures are painted."""
    with studio() as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def submit(http: httpx.Client, key: str, body: object = PROMPT, app: str = APP) -> httpx.Response:
    """A queued call with that key."""
    return http.post(f"/queue/{app}", json=body, headers={"Idempotency-Key": key})


def test_a_repeated_call_is_one_request(http: httpx.Client) -> None:
    """The same key and input are answered with the first request's id, in the header too."""
    first, second = submit(http, "same"), submit(http, "same", dict(reversed(PROMPT.items())))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["request_id"] == second.json()["request_id"] == second.headers["x-fal-request-id"]


@pytest.mark.parametrize(("body", "app"), [(PROMPT | {"seed": 2}, APP), (PROMPT, "fal-ai/flux/dev")])
def test_another_call_under_a_used_key_is_refused(http: httpx.Client, body: object, app: str) -> None:
    """Another input, or the same for another endpoint, is a 422, which no client repeats."""
    key = f"used-{app}-{len(str(body))}"
    submit(http, key)
    answer = submit(http, key, body, app)
    assert (answer.status_code, answer.json()["error_type"]) == (422, "idempotency_key_reused")


def test_a_refused_input_is_one_request_too(http: httpx.Client) -> None:
    """A call that completed with its error is that request when it is repeated."""
    first, second = (submit(http, "refused", {"prompt": 7}).json() for _ in range(2))
    assert first["request_id"] == second["request_id"]


def test_calls_without_a_key_are_different_requests(http: httpx.Client) -> None:
    """Nobody is taken for somebody else by the input alone."""
    first, second = (http.post(f"/queue/{APP}", json=PROMPT).json() for _ in range(2))
    assert first["request_id"] != second["request_id"]


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256, "tab\t"])
def test_an_unusable_key_is_refused(key: str) -> None:
    """A key has 1 to 255 visible ASCII characters."""
    with pytest.raises(BadRequestError):
        once_of({"idempotency-key": key}, tenant="local", endpoint_id=APP, body=b"{}")


def test_bodies_that_are_no_json_are_compared_as_they_are() -> None:
    """Also what cannot be read has a fingerprint."""
    bodies = (b"{", b"{ ", b"[" * 100_000)
    onces = [once_of({"idempotency-key": "k"}, tenant="local", endpoint_id=APP, body=body) for body in bodies]
    assert len({once.fingerprint for once in onces if once is not None}) == 3
