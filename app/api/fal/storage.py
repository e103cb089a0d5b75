"""fal's storage: where clients put files, in the three ways that its clients have."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.body import parse_object, read_body
from app.api.content_types import ANYTHING
from app.api.fal.headers import upload_lifetime_s
from app.api.fal.paths import not_found
from app.api.files import PREFIXES
from app.api.tokens import Purpose, Tokens
from app.api.uploads import Part, Uploads
from app.errors import BadRequestError, UnauthorizedError

TOKEN_S = 3600.0
PARTS_S = 86_400.0
_MAX_JSON_BYTES = 1_000_000


class StorageRoutes:
    """Tokens and signed URLs below `/rest/storage`, the bytes below `/files` and `/cdn/files`.

    A single upload is acknowledged with its URL. Where the URL is given out before the bytes
    arrive, it comes with a token that is good for that file alone.
    """

    def __init__(self, *, uploads: Uploads, tokens: Tokens, cdn: Callable[[Request], str]) -> None:
        self._uploads = uploads
        self._tokens = tokens
        self._cdn = cdn

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        app.add_route("/rest/storage/auth/token", self.token, methods=["POST"])
        app.add_route("/rest/storage/upload/initiate", self.initiate, methods=["POST"])
        app.add_route("/rest/storage/upload/initiate-multipart", self.initiate_parts, methods=["POST"])
        for prefix in PREFIXES:
            files = f"{prefix}/files"
            app.add_route(f"{files}/upload", self.upload, methods=["POST"])
            app.add_route(f"{files}/upload/multipart", self.begin_parts, methods=["POST"])
            app.add_route(f"{files}/{{folder}}/{{name}}", self.put, methods=["PUT"])
            parts = f"{files}/{{folder}}/{{name}}/multipart/{{token}}"
            app.add_route(f"{parts}/complete", self.complete, methods=["POST"])
            app.add_route(f"{parts}/{{number:int}}", self.put_part, methods=["PUT"])

    async def token(self, request: Request) -> Response:
        """A token for uploads, and where they go."""
        token, expires_s = self._tokens.issue(Purpose.UPLOAD, lifetime_s=TOKEN_S)
        expires_at = datetime.fromtimestamp(expires_s, UTC).isoformat()
        base_url = self._cdn(request)
        return JSONResponse({"token": token, "token_type": "Bearer", "base_url": base_url, "expires_at": expires_at})

    async def upload(self, request: Request) -> Response:
        """Take a whole file."""
        self._check_bearer(request)
        key = await self._begin(request, request.headers.get("content-type", ANYTHING))
        await self._uploads.keep(key, request.stream())
        return JSONResponse({"access_url": self._url(request, key)})

    async def begin_parts(self, request: Request) -> Response:
        """Name a file that comes in parts."""
        self._check_bearer(request)
        key = await self._begin(request, request.headers.get("content-type", ANYTHING))
        return JSONResponse({"access_url": self._url(request, key), "uploadId": self._file_token(key, PARTS_S)})

    async def initiate(self, request: Request) -> Response:
        """Name a file, and the URL that takes its bytes."""
        key = await self._begin(request, await _declared_type(request))
        url = self._url(request, key)
        return JSONResponse({"upload_url": f"{url}?token={self._file_token(key, TOKEN_S)}", "file_url": url})

    async def initiate_parts(self, request: Request) -> Response:
        """Name a file, and the URL that takes its parts."""
        key = await self._begin(request, await _declared_type(request))
        url = self._url(request, key)
        return JSONResponse({"upload_url": f"{url}/multipart/{self._file_token(key, PARTS_S)}", "file_url": url})

    async def put(self, request: Request) -> Response:
        """Take a whole file at a signed URL."""
        key, _ = self._named(request, request.query_params.get("token", ""))
        await self._uploads.keep(key, request.stream())
        return Response()

    async def put_part(self, request: Request) -> Response:
        """Take one part; its tag is in the header and in the body."""
        key, until_s = self._named(request, request.path_params["token"])
        number = request.path_params["number"]
        etag = await self._uploads.keep_part(key, number, request.stream(), until_s=until_s)
        return JSONResponse({"partNumber": number, "etag": etag}, headers={"ETag": etag})

    async def complete(self, request: Request) -> Response:
        """Make the file of its parts."""
        key, until_s = self._named(request, request.path_params["token"])
        parts = _named_parts(parse_object(await read_body(request, limit=_MAX_JSON_BYTES)))
        await self._uploads.assemble(key, parts, until_s=until_s)
        return JSONResponse({"access_url": self._url(request, key)})

    async def _begin(self, request: Request, content_type: str) -> str:
        return await self._uploads.begin(content_type, lifetime_s=upload_lifetime_s(request.headers))

    def _file_token(self, key: str, lifetime_s: float) -> str:
        return self._tokens.issue(Purpose.FILE, lifetime_s=lifetime_s, key=key)[0]

    def _named(self, request: Request, token: str) -> tuple[str, int]:
        """The file that the path names and the token is for, and when the token expires."""
        claims = self._tokens.claims(token, Purpose.FILE)
        key = f"{request.path_params['folder']}/{request.path_params['name']}"
        if claims["key"] != key:
            raise not_found(f"files/{key}")
        return key, claims["exp"]

    def _check_bearer(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthorizedError("An upload needs a token of /storage/auth/token")
        self._tokens.claims(token, Purpose.UPLOAD)

    def _url(self, request: Request, key: str) -> str:
        return f"{self._cdn(request)}/files/{key}"


async def _declared_type(request: Request) -> str:
    body = parse_object(await read_body(request, limit=_MAX_JSON_BYTES))
    content_type = body.get("content_type", ANYTHING)
    if not isinstance(content_type, str):
        raise BadRequestError("content_type must be a text")
    return content_type


def _named_parts(body: dict[str, Any]) -> tuple[Part, ...]:
    match body:
        case {"parts": [*parts]} if all(_is_part(part) for part in parts):
            return tuple(Part(part["partNumber"], part["etag"]) for part in parts)
        case _:
            raise BadRequestError("parts must be a list of objects with partNumber and etag")


def _is_part(part: Any) -> bool:
    match part:
        case {"partNumber": int(), "etag": str()}:
            return True
        case _:
            return False
