"""Whatever arrives, a parser understands it or refuses it in words: nothing else ever comes out of one.

Each strategy makes both noise and inputs that are nearly right.
"""

import asyncio
import json
import string
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers, QueryParams

from app.api.body import parse_object
from app.api.data_uri import decode_data_uri
from app.api.errors import error_body
from app.api.fal.headers import (
    max_queue_length,
    queue_tier,
    start_timeout_s,
    stores_io,
    upload_lifetime_s,
    wants_logs,
    webhook_url,
)
from app.api.fal.hosts import path_by_name, path_of_target
from app.api.fal.idempotency import once_of
from app.api.fal.paths import queue_call
from app.api.fal.realtime_frames import message_of, refusal
from app.api.fal.schemas import EsrganInput, FastLcmInput, FluxLoraInput, ImageToImageInput, validated
from app.api.files import public_key
from app.api.openai.forms import parse_edit
from app.api.openai.inputs import PicturesInput
from app.api.ranges import Span, UnsatisfiableRangeError, requested_span
from app.batches.rows import Flaw, Row, read_rows
from app.errors import BadRequestError, DarkroomError, RequestError

CASES = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8
)
latin = st.text(st.characters(max_codepoint=255), max_size=60)
visible = st.text(string.printable, max_size=60)


def answered(parse: Callable[[], Any]) -> Any:
    """What the parser made of it; a refusal has words that travel as JSON, and no other error leaves it."""
    try:
        return parse()
    except RequestError as error:
        json.dumps(error_body(error), allow_nan=False).encode()
        return error


@CASES
@given(
    st.text(max_size=80)
    | st.builds(
        "data:{}{},{}".format, st.sampled_from(["", "image/png", "é"]), st.sampled_from(["", ";base64"]), visible
    )
)
def test_data_uris(uri: str) -> None:
    """A data URI holds no more than allowed."""
    found = answered(lambda: decode_data_uri(uri, max_bytes=20))

    assert isinstance(found, RequestError) or len(found) <= 20


@CASES
@given(
    latin | st.builds("bytes={}-{}".format, st.integers(-5, 99) | st.just(""), st.integers(-5, 10**30) | st.just("")),
    st.integers(0, 50),
    st.sampled_from(['"a"', '"b"', "", "ÿ"]),
)
def test_ranges(text: str, size: int, condition: str) -> None:
    """A range is a part of the file that is not empty, or the whole file, or none of it."""
    try:
        span = requested_span({"range": text, "if-range": condition}, size=size, etag='"a"')
    except UnsatisfiableRangeError:
        return

    assert span is None or 0 <= span.start < span.stop <= size
    assert isinstance(span, Span | None)


HEADERS = [
    "x-fal-request-timeout",
    "x-fal-queue-priority",
    "x-fal-store-io",
    "x-fal-object-lifecycle",
    "idempotency-key",
]
LIFECYCLES = st.fixed_dictionaries(
    {},
    optional={
        "expiration_duration_seconds": values,
        "initial_acl": values | st.fixed_dictionaries({}, optional={"default": values, "rules": values}),
    },
)


@CASES
@given(
    st.dictionaries(
        st.sampled_from(HEADERS), latin | st.from_regex(r"\A[0-9.eE+-]{1,12}\Z") | LIFECYCLES.map(json.dumps)
    )
)
def test_headers(said: dict[str, str]) -> None:
    """Headers of any content are understood or refused."""
    headers = Headers(said)
    waits = answered(lambda: start_timeout_s(headers))
    stays = answered(lambda: upload_lifetime_s(headers))
    answered(lambda: queue_tier(headers))
    answered(lambda: stores_io(headers))
    answered(lambda: once_of(headers, tenant="local", endpoint_id="a/b", body=b"{"))

    assert waits is None or isinstance(waits, BadRequestError) or 0.1 < waits < float("inf")
    assert stays is None or isinstance(stays, BadRequestError) or 0 < stays < 1e11


@CASES
@given(st.dictionaries(st.sampled_from(["fal_webhook", "fal_max_queue_length", "logs"]), st.text(max_size=60)))
def test_queries(said: dict[str, str]) -> None:
    """Query parameters of any content are understood or refused."""
    query = QueryParams(said)
    for parse in (webhook_url, max_queue_length, wants_logs):
        answered(partial(parse, query))


@CASES
@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_json_bodies(body: bytes) -> None:
    """A body is an object, which can be written again, or refused."""
    found = answered(lambda: parse_object(body))

    assert isinstance(found, dict | RequestError)
    if isinstance(found, dict):
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()


FIELDS = [
    *("prompt", "image_size", "seed", "num_images", "loras", "guidance_scale", "output_format", "output_quality"),
    *("format", "image_url", "strength", "scale", "tile", "cache", "sync_mode"),
    *("size", "n", "quality", "stream", "partial_images"),
]
SIZES = st.fixed_dictionaries({}, optional={"width": values, "height": values}) | st.builds(
    "{}x{}".format, st.integers(), st.integers()
)


@CASES
@given(
    st.sampled_from([FastLcmInput, FluxLoraInput, ImageToImageInput, EsrganInput, PicturesInput]),
    st.dictionaries(st.sampled_from(FIELDS), values | SIZES),
)
def test_sizes_and_every_other_field(schema: Any, payload: dict[str, Any]) -> None:
    """Values of any kind in the fields that there are make an input, or name what is wrong."""
    found = answered(lambda: validated(schema, payload))

    assert isinstance(found, schema | RequestError)


PARTS = st.lists(
    st.tuples(
        st.sampled_from(["prompt", "image", "image[]", "mask", "", 'a"b', "é"]),
        st.sampled_from(["", "; filename=a.png", '; filename="../../a"', "; filename"]),
        st.binary(max_size=20),
    ),
    max_size=4,
)
ALPHABETS = st.sampled_from(
    ["", "; charset=utf-16", "; charset=idna", "; charset=rot13", "; charset=", "; charset=utf-7"]
)


def a_form(parts: list[tuple[str, str, bytes]], end: str) -> bytes:
    """A form of these parts; the boundary is x."""
    head = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n'
    pieces = [head.format(name, file).encode() + content + b"\r\n" for name, file, content in parts]
    return b"".join(pieces) + end.encode()


@CASES
@given(st.builds(a_form, PARTS, st.sampled_from(["--x--\r\n", "--x", "--", ""])) | st.binary(max_size=60), ALPHABETS)
def test_forms(body: bytes, alphabet: str) -> None:
    """A form has one picture and fields of text, or is refused."""
    headers = {"content-type": f"multipart/form-data; boundary=x{alphabet}"}
    found = answered(lambda: asyncio.run(parse_edit(body, headers)))

    assert isinstance(found, RequestError) or isinstance(found.image, bytes)


packable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=8)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=8))
    | st.builds(msgpack.Timestamp, st.integers(0, 2**32)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2) | st.integers(0, 9), inner),
    max_leaves=6,
)
MESSAGES = st.dictionaries(st.sampled_from(["prompt", "request_id", "seed"]), packable, max_size=3)


@CASES
@given(st.binary(max_size=60) | (packable | MESSAGES).map(msgpack.packb) | visible | values.map(json.dumps))
def test_frames(frame: bytes | str) -> None:
    """A frame is a map whose every answer can be sent, or refused."""
    found = answered(lambda: message_of(frame))
    if isinstance(found, DarkroomError):
        json.loads(refusal(found, {}))
        return

    json.loads(refusal(BadRequestError("no"), found.tag))
    found.answer({"seed": 1})


@CASES
@given(
    st.lists(
        st.sampled_from(["fal-ai", "flux", "requests", "status", "stream", "cancel", "", "..", "a b", "\n", "é"])
        | visible,
        max_size=8,
    ).map("/".join)
)
def test_paths(path: str) -> None:
    """A path below the queue is a call about one request, or nowhere."""
    found = answered(lambda: queue_call(path))
    key = answered(lambda: public_key(path, now_s=0))

    assert isinstance(found, RequestError) or set(found.request_id) <= {*string.ascii_letters, *string.digits, "_", "-"}
    assert isinstance(key, str | RequestError)


def test_a_long_path_is_read_at_once() -> None:
    """A path of many beginnings is looked at once, not once for each of them."""
    with pytest.raises(RequestError):
        queue_call("a/requests/" * 100_000 + "!")


@CASES
@given(
    st.text(max_size=60)
    | st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["https", "http", "HTTPS", "javascript"]),
        st.sampled_from(["", "user@", "[", "rest.fal.ai#@"]),
        st.sampled_from(["fal.run", "FAL.RUN", "queue.fal.run:443", "fal.run.example", "127.0.0.1", "v3.fal.media"]),
        st.text(max_size=20) | st.sampled_from(["/../../etc", "?a=/b", "/%2e%2e/"]),
    )
)
def test_targets(url: str) -> None:
    """A proxied call leads below one of our own paths, or nowhere."""
    found = path_of_target(url)

    assert found is None or found[0].startswith(("/run", "/queue", "/rest", "/cdn"))
    assert path_by_name(url, "/") in (None, "/run/", "/queue/", "/rest/", "/cdn/")


@CASES
@given(
    st.binary(max_size=80)
    | st.lists(values.map(json.dumps) | visible, max_size=4).map(lambda lines: "\n".join(lines).encode())
    | st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b'{"seed": ' + b"9" * 5000 + b"}", b'{"id": "\\ud800"}']),
    st.sampled_from(["rows.jsonl", "rows.csv"]),
)
def test_batch_rows(content: bytes, name: str) -> None:
    """Every line of a file of jobs is a row, or has a flaw that is named."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        found = answered(lambda: read_rows(path, endpoint="a/b"))
    if isinstance(found, RequestError):
        return

    assert all(isinstance(row, Row) for row in found[0])
    assert all(isinstance(flaw, Flaw) for flaw in found[1])
