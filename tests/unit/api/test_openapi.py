"""The document of everything describes everything."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Match, Route

# What only says that there is nothing, and the document itself.
UNSAID = {"DirectRoutes.nothing", "OpenAIRoutes.nothing", "CatalogueRoutes.whole"}


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    """The document, as the server publishes it."""
    published: dict[str, Any] = (await client.get("/openapi.json")).json()
    return published


def described(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every method with a path that fits its template."""
    for template, methods in document["paths"].items():
        for method in methods:
            yield method.upper(), re.sub(r"{\w+}", "1", template)


def handler(app: FastAPI, method: str, path: str) -> str:
    """The name of what answers such a call."""
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    return next(name_of(route) for route in routes(app) if route.matches(scope)[0] is Match.FULL)


def routes(app: FastAPI) -> list[Route]:
    """The routes of calls over HTTP."""
    return [route for route in app.router.routes if isinstance(route, Route)]


def name_of(route: Route) -> str:
    """The method behind a route, wherever it is wrapped."""
    told = getattr(route.endpoint, "__closure__", None)
    inner = told[0].cell_contents if told and not hasattr(route.endpoint, "__self__") else route.endpoint
    return str(inner.__qualname__)


def test_everything_is_described(app: FastAPI, document: dict[str, Any]) -> None:
    """Every handler of the application answers a call that the document describes."""
    answering = {handler(app, method, path) for method, path in described(document)}

    assert {name_of(route) for route in routes(app)} - UNSAID == answering


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Nothing refers to a schema that is not there."""
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    assert {*re.findall(r"'\$ref': '([^']+)'", repr(document))} <= known


def test_clients_are_sent_back_here(document: dict[str, Any]) -> None:
    """The server in the document is the one that was asked, and on the loopback it needs no key."""
    assert document["servers"] == [{"url": "http://darkroom"}]
    assert {} in document["security"]
