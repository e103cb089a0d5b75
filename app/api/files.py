"""Finished pictures and uploads by URL: no key needed, cacheable as long as they stay, in parts where asked for.

A finished picture comes in the format and the width that suit the client, as far as its headers tell; where they
tell nothing, and for uploads, it is the file itself.
"""

import math
import time
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from app.api.adapted import ENCODABLE, AdaptedPictures, format_of
from app.api.client_hints import ACCEPTED, VARYING, suiting
from app.api.content_types import content_type_of
from app.api.ranges import Span, UnsatisfiableRangeError, requested_span
from app.errors import NotFoundError
from app.storage.blobs import BlobStore
from app.storage.keys import UPLOADS, expiry_s

PREFIXES = ("", "/cdn")
DIRECT_S = 600.0
_CHUNK_BYTES = 1_000_000
_YEAR_S = 31_536_000
# What a caller uploaded may be a document with scripts: it must never act in the name of this server.
_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


class FileRoutes:
    """`GET /files/{key}`, also below `/cdn`."""

    def __init__(self, blobs: BlobStore, adapted: AdaptedPictures, *, clock: Callable[[], float] = time.time) -> None:
        self._blobs = blobs
        self._adapted = adapted
        self._clock = clock

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        for prefix in PREFIXES:
            app.add_route(f"{prefix}/files/{{key:path}}", self.file, methods=["GET"])

    async def file(self, request: Request) -> Response:
        """One file or a part of it, 304 when the caller has it, or the way to where it is given out directly."""
        now_s = self._clock()
        key = public_key(request.path_params["key"], now_s=now_s)
        usual = dict(_SAFE)
        if (stored := format_of(key)) is not None:
            key = await self._adapted.key(key, suiting(request.headers, stored, can_encode=ENCODABLE))
            usual |= {"Vary": VARYING, "Accept-CH": ACCEPTED}
        size = await self._blobs.size(key)
        headers = {"ETag": f'"{key}"', "Cache-Control": _caching(key, now_s), "Accept-Ranges": "bytes", **usual}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if request.method == "GET" and (elsewhere := await self._elsewhere(key, usual, now_s)) is not None:
            return elsewhere
        try:
            span = requested_span(request.headers, size=size, etag=headers["ETag"])
        except UnsatisfiableRangeError:
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
        return self._answer(key, span, size=size, headers=headers, is_head=request.method == "HEAD")

    async def _elsewhere(self, key: str, usual: dict[str, str], now_s: float) -> Response | None:
        lifetime_s = min(DIRECT_S, (expiry_s(key) or math.inf) - now_s)
        url = await self._blobs.direct_url(key, lifetime_s=lifetime_s)
        if url is None:
            return None
        headers = {"Cache-Control": f"private, max-age={int(lifetime_s / 2)}", **usual}
        return RedirectResponse(url, status_code=307, headers=headers)

    def _answer(self, key: str, span: Span | None, *, size: int, headers: dict[str, str], is_head: bool) -> Response:
        part = span or Span(0, size)
        headers = {**headers, "Content-Length": str(part.stop - part.start)}
        if span is not None:
            headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        chunks = self._chunks(key, Span(0, 0) if is_head else part)
        content_type = content_type_of(key)
        return StreamingResponse(chunks, 200 if span is None else 206, headers=headers, media_type=content_type)

    async def _chunks(self, key: str, span: Span) -> AsyncIterator[bytes]:
        for start in range(span.start, span.stop, _CHUNK_BYTES):
            yield await self._blobs.read_span(key, start, min(start + _CHUNK_BYTES, span.stop))


def public_key(key: str, *, now_s: float) -> str:
    """The key itself when it names a finished picture or an upload that is not over; raises NotFoundError."""
    folder, slash, _ = key.rpartition("/")
    expires_s = expiry_s(key)
    if (slash and folder != UPLOADS) or (expires_s is not None and expires_s <= now_s):
        raise NotFoundError("no such file")
    return key


def _caching(key: str, now_s: float) -> str:
    expires_s = expiry_s(key)
    if expires_s is None:
        return f"public, max-age={_YEAR_S}, immutable"
    return f"public, max-age={int(expires_s - now_s)}"
