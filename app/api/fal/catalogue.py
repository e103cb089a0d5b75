"""What is served here, for tools: one OpenAPI document per endpoint, and the list of all."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.api.fal.dialect import Dialect
from app.api.fal.endpoints import Endpoint
from app.api.fal.openapi import document, metadata


class CatalogueRoutes:
    """The part of fal's platform that describes endpoints."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        router.add_api_route("/api/openapi/queue/openapi.json", self.openapi, methods=["GET"])
        router.add_api_route("/api/v1/models", self.models, methods=["GET"])
        return router

    async def openapi(self, request: Request, endpoint_id: str = "") -> Response:
        """The document of one endpoint."""
        endpoint = self._dialect.endpoints.find(endpoint_id)
        return JSONResponse(document(endpoint, self._dialect.base_url(request)))

    async def models(self, request: Request, endpoint_id: str = "", category: str = "", expand: str = "") -> Response:
        """Every endpoint, or those of one id or category, on one page."""
        base = self._dialect.base_url(request)
        entries = [_entry(endpoint, base, expand) for endpoint in self._dialect.endpoints]
        models = [
            entry
            for entry in entries
            if endpoint_id in ("", entry["endpoint_id"]) and category in ("", entry["metadata"]["category"])
        ]
        return JSONResponse({"models": models, "has_more": False, "next_cursor": None})


def _entry(endpoint: Endpoint, base: str, expand: str) -> dict[str, Any]:
    entry = {"endpoint_id": endpoint.endpoint_id, "metadata": metadata(endpoint, base)}
    return entry | ({"openapi": document(endpoint, base)} if expand == "openapi-3.0" else {})
