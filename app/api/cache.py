"""What operators see of the cache and tell it: `/cache`."""

from typing import Annotated, Any, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.body import parse_object, read_body
from app.cache.takedown import Takedown
from app.errors import BadRequestError
from app.generation import LOCAL_TENANT

_MAX_BYTES = 100_000

Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Body = TypeVar("Body", bound=BaseModel)


class CacheAdmin(Protocol):
    """The cache, as operators use it."""

    async def stats(self) -> dict[str, Any]:
        """What each level and each namespace holds."""
        ...

    async def explain(self, prompt: str, *, tenant: str) -> dict[str, Any]:
        """What would answer a prompt, and why other entries would not."""
        ...

    async def audit(self, most: int) -> list[dict[str, Any]]:
        """What would-be hits among stored prompts are worth."""
        ...

    async def purge(self, takedown: Takedown, *, keep_files: bool) -> dict[str, int]:
        """Forget what is meant at every level."""
        ...


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Explained(_Body):
    """The body of `POST /cache/explain`."""

    prompt: Text
    tenant: Text = LOCAL_TENANT


class Audited(_Body):
    """The body of `POST /cache/audit`."""

    most: Annotated[int, Field(ge=1, le=10_000)] = 100


class Purged(_Body):
    """The body of `POST /cache/purge`: what matches everything that is named is forgotten."""

    picture: Text | None = None
    prompt: Text | None = None
    tenant: Text | None = None
    revision: Text | None = None
    keep_files: bool = False

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.takedown.is_empty:
            raise ValueError("name at least one of picture, prompt, tenant and revision")
        return self

    @property
    def takedown(self) -> Takedown:
        """What shall be forgotten."""
        return Takedown(blob_key=self.picture, prompt=self.prompt, tenant=self.tenant, revision=self.revision)


class CacheRoutes:
    """`GET /cache`, `POST /cache/explain`, `/cache/audit` and `/cache/purge`."""

    def __init__(self, cache: CacheAdmin) -> None:
        self._cache = cache

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        app.add_route("/cache", self.stats, methods=["GET"])
        app.add_route("/cache/explain", self.explain, methods=["POST"])
        app.add_route("/cache/audit", self.audit, methods=["POST"])
        app.add_route("/cache/purge", self.purge, methods=["POST"])

    async def stats(self, request: Request) -> Response:
        """What each level and each namespace holds and has shown."""
        return JSONResponse(await self._cache.stats())

    async def explain(self, request: Request) -> Response:
        """What would answer a prompt, and why other entries would not."""
        body = await _read(request, Explained)
        return JSONResponse(await self._cache.explain(body.prompt, tenant=body.tenant))

    async def audit(self, request: Request) -> Response:
        """What would-be hits among stored prompts are worth."""
        return JSONResponse(await self._cache.audit((await _read(request, Audited)).most))

    async def purge(self, request: Request) -> Response:
        """Forget what is meant at every level; how much that was."""
        body = await _read(request, Purged)
        return JSONResponse(await self._cache.purge(body.takedown, keep_files=body.keep_files))


async def _read(request: Request, kind: type[Body]) -> Body:
    try:
        return kind.model_validate(parse_object(await read_body(request, limit=_MAX_BYTES)))
    except ValidationError as error:
        issue = error.errors()[0]
        raise BadRequestError(f"{'.'.join(map(str, issue['loc'])) or 'body'}: {issue['msg']}") from error
