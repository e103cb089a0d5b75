"""What is served here, for tools: one OpenAPI document per endpoint, and the list of all."""

from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api import openapi
from app.api.fal.dialect import Dialect
from app.api.fal.openapi import Described, described, document, metadata
from app.api.fal.paths import not_found
from app.api.fal.workflow_openapi import described_workflow
from app.api.fal.workflow_table import WorkflowTable


class CatalogueRoutes:
    """The part of fal's platform that describes endpoints."""

    def __init__(self, dialect: Dialect, workflows: WorkflowTable) -> None:
        self._dialect = dialect
        self._workflows = workflows

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        app.add_route("/openapi.json", self.whole, methods=["GET"])
        app.add_route("/api/openapi/queue/openapi.json", self.openapi, methods=["GET"])
        app.add_route("/api/v1/models", self.models, methods=["GET"])

    async def whole(self, request: Request) -> Response:
        """One document for everything that is answered here."""
        return JSONResponse(openapi.document(self._dialect.endpoints, self._dialect.base_url(request)))

    async def openapi(self, request: Request) -> Response:
        """The document of one endpoint, by `endpoint_id`."""
        endpoint_id = request.query_params.get("endpoint_id", "")
        about = next((each for each in self._all() if each.endpoint_id == endpoint_id), None)
        if about is None:
            raise not_found(endpoint_id)
        return JSONResponse(document(about, self._dialect.base_url(request)))

    async def models(self, request: Request) -> Response:
        """Every endpoint, or those of one `endpoint_id` or `category`, on one page."""
        base = self._dialect.base_url(request)
        query = request.query_params
        models = [
            _entry(about, base, query.get("expand"))
            for about in self._all()
            if query.get("endpoint_id") in (None, about.endpoint_id) and query.get("category") in (None, about.category)
        ]
        return JSONResponse({"models": models, "has_more": False, "next_cursor": None})

    def _all(self) -> Iterator[Described]:
        yield from map(described, self._dialect.endpoints)
        yield from (described_workflow(*each) for each in self._workflows.items())


def _entry(about: Described, base: str, expand: str | None) -> dict[str, Any]:
    entry = {"endpoint_id": about.endpoint_id, "metadata": metadata(about, base)}
    return entry | ({"openapi": document(about, base)} if expand == "openapi-3.0" else {})
