"""Which part of a file a call asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.ranges import Span, UnsatisfiableRangeError, requested_span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=2-", Span(2, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-99", Span(0, 10)),
        ("bytes=4-99", Span(4, 10)),
        ("", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,4-5", None),
        ("pages=1-2", None),
        ("bytes=a-b", None),
    ],
)
def test_one_range_is_understood(text: str, span: Span | None) -> None:
    """A range has a first byte, a last byte or both; everything else is a call for the whole file."""
    assert requested_span({"range": text}, size=10, etag='"a"') == span


@pytest.mark.parametrize(("text", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_a_range_outside_the_file_cannot_be_served(text: str, size: int) -> None:
    """No byte of the file is in it."""
    with pytest.raises(UnsatisfiableRangeError):
        requested_span({"range": text}, size=size, etag='"a"')


@pytest.mark.parametrize(("version", "span"), [('"a"', Span(0, 1)), ('"b"', None)])
def test_a_range_of_another_version_is_the_whole_file(version: str, span: Span | None) -> None:
    """A download is continued only if the file is still the same."""
    assert requested_span({"range": "bytes=0-0", "if-range": version}, size=10, etag='"a"') == span


@given(st.text() | st.from_regex(r"bytes=\d{0,30}-\d{0,30}"), st.integers(0, 10**6))
def test_a_span_is_never_empty_and_never_outside(text: str, size: int) -> None:
    """Whatever the header says, what is served lies within the file."""
    try:
        span = requested_span({"range": text}, size=size, etag="x")
    except UnsatisfiableRangeError:
        return
    assert span is None or 0 <= span.start < span.stop <= size
