"""Bad input gets the documented error, and the server goes on."""

import base64
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

EDIT = "/run/fal-ai/flux/dev/image-to-image"
RUN = "/run/fal-ai/flux/schnell"
BROKEN = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 64).decode()

CASES = [
    ("an unknown endpoint", "/run/no-such/model", {"prompt": "a"}, 404, None),
    ("a missing prompt", RUN, {}, 422, "missing"),
    ("a prompt that is no text", RUN, {"prompt": 7}, 422, "string_type"),
    ("a width out of range", RUN, {"prompt": "a", "image_size": {"width": 0, "height": 64}}, 422, None),
    ("too large a picture", RUN, {"prompt": "a", "image_size": {"width": 99999, "height": 64}}, 422, None),
    ("too many steps", RUN, {"prompt": "a", "num_inference_steps": 1000}, 422, "less_than_equal"),
    ("an unknown preset", RUN, {"prompt": "a", "image_size": "enormous"}, 422, None),
    ("a broken picture", EDIT, {"prompt": "a", "image_url": BROKEN}, 422, "image_load_error"),
    ("a loopback address", EDIT, {"prompt": "a", "image_url": "http://127.0.0.1:1/x.png"}, 422, "file_download_error"),
    ("a private address", EDIT, {"prompt": "a", "image_url": "http://10.0.0.1/x.png"}, 422, "file_download_error"),
    ("a metadata service", EDIT, {"prompt": "a", "image_url": "http://169.254.169.254/x"}, 422, "file_download_error"),
    ("a file URL", EDIT, {"prompt": "a", "image_url": "file:///etc/passwd"}, 422, "file_download_error"),
]


@pytest.mark.parametrize(
    ("path", "arguments", "status", "error_type"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_bad_input_is_refused_in_fals_words(
    url: str, path: str, arguments: dict[str, Any], status: int, error_type: str | None
) -> None:
    """Each gets its status and type, a request id, and nothing of the server's insides."""
    answer = httpx.post(url + path, json=arguments, timeout=60)

    assert answer.status_code == status
    assert answer.headers["x-fal-request-id"]
    assert error_type is None or answer.json()["detail"][0]["type"] == error_type
    assert not any(word in answer.text for word in ("Traceback", "site-packages", "app/", "/etc/passwd\n", "ray."))


def test_a_huge_body_is_refused_and_the_server_goes_on(url: str) -> None:
    """Fifty megabytes are refused with 413; the next request is served."""
    body = b'{"prompt": "' + b"a" * 50_000_000 + b'"}'

    refused = httpx.post(url + RUN, content=body, headers={"content-type": "application/json"}, timeout=120)
    served = httpx.post(url + RUN, json={"prompt": "a red circle"}, timeout=120)

    assert refused.status_code == 413
    assert served.status_code == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff\xfe", b'{"prompt": NaN}'])
def test_what_is_no_json_object_is_refused(url: str, body: bytes) -> None:
    """Malformed bodies are the caller's error."""
    answer = httpx.post(url + RUN, content=body, headers={"content-type": "application/json"}, timeout=60)

    assert 400 <= answer.status_code < 500
