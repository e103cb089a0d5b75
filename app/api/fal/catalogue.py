"""What is served here, for tools: one OpenAPI document per endpoint, and the list of all."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.fal.dialect import Dialect
from app.api.fal.endpoints import Endpoint
from app.api.fal.openapi import category, document, metadata


class CatalogueRoutes:
    """The part of fal's platform that describes endpoints."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        app.add_route("/api/openapi/queue/openapi.json", self.openapi, methods=["GET"])
        app.add_route("/api/v1/models", self.models, methods=["GET"])

    async def openapi(self, request: Request) -> Response:
        """The document of one endpoint, by `endpoint_id`."""
        endpoint = self._dialect.endpoints.find(request.query_params.get("endpoint_id", ""))
        return JSONResponse(document(endpoint, self._dialect.base_url(request)))

    async def models(self, request: Request) -> Response:
        """Every endpoint, or those of one `endpoint_id` or `category`, on one page."""
        base = self._dialect.base_url(request)
        query = request.query_params
        models = [
            _entry(endpoint, base, query.get("expand"))
            for endpoint in self._dialect.endpoints
            if query.get("endpoint_id") in (None, endpoint.endpoint_id)
            and query.get("category") in (None, category(endpoint))
        ]
        return JSONResponse({"models": models, "has_more": False, "next_cursor": None})


def _entry(endpoint: Endpoint, base: str, expand: str | None) -> dict[str, Any]:
    entry = {"endpoint_id": endpoint.endpoint_id, "metadata": metadata(endpoint, base)}
    return entry | ({"openapi": document(endpoint, base)} if expand == "openapi-3.0" else {})
