"""Finished pictures by URL: no key needed, cacheable for ever, because a key names its content."""

import mimetypes

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from app.errors import NotFoundError
from app.storage.blobs import BlobStore

_FOREVER = "public, max-age=31536000, immutable"


class FileRoutes:
    """`GET /files/{key}`."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def add_to(self, app: Starlette) -> None:
        """Add the route."""
        app.add_route("/files/{key:path}", self.file, methods=["GET"])

    async def file(self, request: Request) -> Response:
        """One finished picture, or 304 when the caller has it."""
        key = finished_key(request.path_params["key"])
        headers = {"ETag": f'"{key}"', "Cache-Control": _FOREVER, "X-Content-Type-Options": "nosniff"}
        if headers["ETag"] in request.headers.get("if-none-match", "") and await self._blobs.exists(key):
            return Response(status_code=304, headers=headers)
        content_type = mimetypes.guess_type(key)[0] or "application/octet-stream"
        return Response(await self._blobs.read(key), media_type=content_type, headers=headers)


def finished_key(key: str) -> str:
    """The key itself when it can name a finished picture; raises NotFoundError for scratch files."""
    if "/" in key:
        raise NotFoundError("no such file")
    return key
