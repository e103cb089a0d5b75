"""Which part of a file a call asks for (RFC 9110, section 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=\s*(?P<first>\d{0,18})-(?P<last>\d{0,18})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file from `start` up to but without `stop`; never empty."""

    start: int
    stop: int


class UnsatisfiableRangeError(ValueError):
    """The file has no byte of the part that was asked for: 416."""


def requested_span(headers: Mapping[str, str], *, size: int, etag: str) -> Span | None:
    """The one span that the headers ask for, or None for the whole file; raises UnsatisfiableRangeError.

    What is malformed, counts in other units, names several ranges or another version is a call for the whole file.
    """
    found = _ONE_RANGE.fullmatch(headers.get("range", ""))
    if found is None or headers.get("if-range", etag) != etag:
        return None
    first, last = found["first"], found["last"]
    if not first:
        return _suffix(int(last), size) if last else None
    if last and int(last) < int(first):
        return None
    return _within(int(first), int(last) + 1 if last else size, size)


def _suffix(length: int, size: int) -> Span:
    return _within(max(size - length, 0), size, size) if length else _within(size, size, size)


def _within(start: int, stop: int, size: int) -> Span:
    if start >= size:
        raise UnsatisfiableRangeError(f"the file has {size} bytes")
    return Span(start, min(stop, size))
