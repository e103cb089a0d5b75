"""The public keys by which receivers verify webhooks."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.webhooks.signing import WebhookKey

_CACHING = {"Cache-Control": "public, max-age=86400"}


class KeySetRoutes:
    """`GET /rest/.well-known/jwks.json`."""

    def __init__(self, key: WebhookKey) -> None:
        self._key = key

    def add_to(self, app: Starlette) -> None:
        """Add the route."""
        app.add_route("/rest/.well-known/jwks.json", self.key_set, methods=["GET"])

    async def key_set(self, request: Request) -> Response:
        """The JWK set, which receivers may keep for a day."""
        return JSONResponse(self._key.key_set(), headers=_CACHING)
