"""fal's storage: where clients put files, in the three ways that its clients have."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.body import arriving, parse_object, read_body
from app.api.caller import identity_of
from app.api.content_types import ANYTHING
from app.api.doorkeeper import Doorkeeper, claims_of
from app.api.fal.headers import upload_lifetime_s
from app.api.fal.paths import not_found
from app.api.files import PREFIXES
from app.api.tokens import Purpose, Tokens
from app.api.uploads import Part, Uploads
from app.errors import BadRequestError, UnauthorizedError
from app.storage.keys import expiry_s
from app.storage.tenants import StoredFile
from app.tenants.identity import Identity
from app.tenants.ledger import Ledger

TOKEN_S = 3600.0
PARTS_S = 86_400.0
_MAX_JSON_BYTES = 1_000_000
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class StorageRoutes:
    """Tokens and signed URLs below `/rest/storage`, the bytes below `/files` and `/cdn/files`.

    A single upload is acknowledged with its URL. Where the URL is given out before the bytes
    arrive, it comes with a token that is good for that file alone. Every token is good as long as the
    key that it was given for, and what comes with it is that tenant's.
    """

    def __init__(
        self,
        *,
        uploads: Uploads,
        tokens: Tokens,
        doorkeeper: Doorkeeper,
        ledger: Ledger,
        cdn: Callable[[Request], str],
    ) -> None:
        self._uploads = uploads
        self._tokens = tokens
        self._doorkeeper = doorkeeper
        self._ledger = ledger
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
            app.add_route(f"{parts}/{{number}}", self.put_part, methods=["PUT"])

    async def token(self, request: Request) -> Response:
        """A token for uploads, and where they go."""
        claims = claims_of(identity_of(request))
        token, expires_s = self._tokens.issue(Purpose.UPLOAD, lifetime_s=TOKEN_S, **claims)
        expires_at = datetime.fromtimestamp(expires_s, UTC).isoformat()
        base_url = self._cdn(request)
        return JSONResponse({"token": token, "token_type": "Bearer", "base_url": base_url, "expires_at": expires_at})

    async def upload(self, request: Request) -> Response:
        """Take a whole file."""
        identity = await self._bearer(request)
        key = await self._begin(request, identity, request.headers.get("content-type", ANYTHING))
        await self._uploads.keep(key, arriving(request))
        await self._kept(key, identity)
        return JSONResponse({"access_url": self._url(request, key)})

    async def begin_parts(self, request: Request) -> Response:
        """Name a file that comes in parts."""
        identity = await self._bearer(request)
        key = await self._begin(request, identity, request.headers.get("content-type", ANYTHING))
        token = self._file_token(key, PARTS_S, identity)
        return JSONResponse({"access_url": self._url(request, key), "uploadId": token})

    async def initiate(self, request: Request) -> Response:
        """Name a file, and the URL that takes its bytes."""
        identity = identity_of(request)
        key = await self._begin(request, identity, await _declared_type(request))
        url, token = self._url(request, key), self._file_token(key, TOKEN_S, identity)
        return JSONResponse({"upload_url": f"{url}?token={token}", "file_url": url})

    async def initiate_parts(self, request: Request) -> Response:
        """Name a file, and the URL that takes its parts."""
        identity = identity_of(request)
        key = await self._begin(request, identity, await _declared_type(request))
        url, token = self._url(request, key), self._file_token(key, PARTS_S, identity)
        return JSONResponse({"upload_url": f"{url}/multipart/{token}", "file_url": url})

    async def put(self, request: Request) -> Response:
        """Take a whole file at a signed URL."""
        key, _, identity = await self._named(request, request.query_params.get("token", ""))
        await self._uploads.keep(key, arriving(request))
        await self._kept(key, identity)
        return Response()

    async def put_part(self, request: Request) -> Response:
        """Take one part; its tag is in the header and in the body."""
        key, until_s, _ = await self._named(request, request.path_params["token"])
        number = _part_number(request.path_params["number"])
        etag = await self._uploads.keep_part(key, number, arriving(request), until_s=until_s)
        return JSONResponse({"partNumber": number, "etag": etag}, headers={"ETag": etag})

    async def complete(self, request: Request) -> Response:
        """Make the file of its parts."""
        key, until_s, identity = await self._named(request, request.path_params["token"])
        parts = _named_parts(parse_object(await read_body(request, limit=_MAX_JSON_BYTES)))
        await self._uploads.assemble(key, parts, until_s=until_s)
        await self._kept(key, identity)
        return JSONResponse({"access_url": self._url(request, key)})

    async def _begin(self, request: Request, identity: Identity, content_type: str) -> str:
        await self._ledger.may_store(identity.tenant)
        return await self._uploads.begin(content_type, lifetime_s=upload_lifetime_s(request.headers))

    async def _kept(self, key: str, identity: Identity) -> None:
        """The file is whole; note whose it is."""
        size = await self._uploads.size(key)
        self._ledger.stored(StoredFile(key, identity.tenant, size, expiry_s(key)))

    def _file_token(self, key: str, lifetime_s: float, identity: Identity) -> str:
        return self._tokens.issue(Purpose.FILE, lifetime_s=lifetime_s, key=key, **claims_of(identity))[0]

    async def _named(self, request: Request, token: str) -> tuple[str, int, Identity]:
        """The file that the path names and the token is for, when the token expires, and to whom it was given."""
        identity, claims = await self._doorkeeper.granted(token, Purpose.FILE)
        key = f"{request.path_params['folder']}/{request.path_params['name']}"
        if claims["key"] != key:
            raise not_found(f"files/{key}")
        return key, claims["exp"], identity

    async def _bearer(self, request: Request) -> Identity:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthorizedError("An upload needs a token of /storage/auth/token")
        return (await self._doorkeeper.granted(token, Purpose.UPLOAD))[0]

    def _url(self, request: Request, key: str) -> str:
        return f"{self._cdn(request)}/files/{key}"


def _part_number(text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise BadRequestError("A part is named by its number")
    return int(text)


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
