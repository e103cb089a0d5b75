"""Bodies."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app.api.body import parse_object, read_body
from app.errors import BadRequestError, BodyTooLargeError, InvalidInputError


def request_of(chunks: list[bytes], *, declared: int | None = None) -> Request:
    """A request whose body arrives in these chunks, from `chunks` itself."""

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def test_body_within_the_limit_is_read() -> None:
    """Chunks are put together up to the limit itself."""
    assert await read_body(request_of([b"abc", b"de"], declared=5), limit=5) == b"abcde"


async def test_declared_length_over_the_limit_is_refused_unread() -> None:
    """A body that announces its size is not even begun."""
    chunks = [b"abc", b"def"]
    with pytest.raises(BodyTooLargeError):
        await read_body(request_of(chunks, declared=6), limit=5)

    assert len(chunks) == 2


async def test_undeclared_body_is_read_no_further_than_the_limit() -> None:
    """A body that does not announce its size is given up at the chunk that breaks the limit."""
    chunks = [b"abc", b"def", b"ghi"]
    with pytest.raises(BodyTooLargeError):
        await read_body(request_of(chunks), limit=5)

    assert chunks == [b"ghi"]


@pytest.mark.parametrize(
    ("body", "issue_type"),
    [
        (b"", "missing"),
        (b"{", "json_invalid"),
        (b"{'a': 1}", "json_invalid"),
        (b'{"a": NaN}', "json_invalid"),
        (b'{"a": "\\ud800"}', "json_invalid"),
        (b'{"a": "\xff"}', "json_invalid"),
        (b'{"a":' * 5000, "json_invalid"),
        (b"\xff\xfe{\x00}\x00", "json_invalid"),
        (b"[]", "model_attributes_type"),
        (b"null", "model_attributes_type"),
        (b'"text"', "model_attributes_type"),
    ],
)
def test_anything_but_an_object_is_refused(body: bytes, issue_type: str) -> None:
    """The whole body is named when it is no JSON object."""
    with pytest.raises(InvalidInputError) as refused:
        parse_object(body)

    (issue,) = refused.value.issues
    assert (issue.loc, issue.issue_type) == (("body",), issue_type)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    """No body raises anything but InvalidInputError."""
    with suppress(InvalidInputError):
        assert isinstance(parse_object(body), dict)


def stalled_request() -> Request:
    """A request whose body begins, and then says no more."""
    chunks = [b"abc"]

    async def receive() -> dict[str, object]:
        if not chunks:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunks.pop(), "more_body": True}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def test_body_that_stops_arriving_is_given_up() -> None:
    """A client that says no more does not hold its place for ever."""
    with pytest.raises(BadRequestError, match="Nothing arrived"):
        await read_body(stalled_request(), limit=5, patience_s=0.01)
