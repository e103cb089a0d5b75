"""The HTTP application over a service that does what a test says, and a client that speaks to it in-process."""

import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import fal_client
import httpx
import pytest
from fake_service import FakeFetcher, FakeService
from fakes import MemoryBlobStore
from fal_server import fal_server, official_client
from fastapi import FastAPI

from app.api.app import create_app
from app.config import DarkroomSettings, load_settings
from app.storage.jobs import Keeping, MemoryJobStore

SECRET = b"s" * 32
LOCAL = Path(__file__).resolve().parents[3] / "configs" / "local.yaml"


@pytest.fixture
def settings() -> DarkroomSettings:
    """fal's endpoints as `make run` serves them, with bodies of at most 1000 bytes."""
    local = load_settings(LOCAL)
    server = local.server.model_copy(update={"max_body_bytes": 1000})
    endpoints = {name: endpoint for name, endpoint in local.endpoints.items() if name.startswith("fal-ai/")}
    return local.model_copy(update={"server": server, "endpoints": endpoints})


@pytest.fixture
def blobs() -> MemoryBlobStore:
    """An empty store."""
    return MemoryBlobStore()


@pytest.fixture
async def service(blobs: MemoryBlobStore) -> FakeService:
    """A service that answers at once."""
    return FakeService(blobs)


@pytest.fixture
def fetcher() -> FakeFetcher:
    """A fetcher that has been asked nothing yet."""
    return FakeFetcher()


@pytest.fixture
def ids() -> Iterator[str]:
    """Request ids in order: call-1, call-2, …"""
    return (f"call-{number}" for number in itertools.count(1))


@pytest.fixture
def app_of(
    service: FakeService, blobs: MemoryBlobStore, fetcher: FakeFetcher, ids: Iterator[str]
) -> Callable[..., FastAPI]:
    """Builds the application for some settings and options; its seeds are 7."""

    def build(settings: DarkroomSettings, **options: Any) -> FastAPI:
        usual: dict[str, Any] = {
            "service": service,
            "blobs": blobs,
            "fetcher": fetcher,
            "secret": SECRET,
            "outbox": MemoryJobStore(Keeping(ttl_s=60, max_completed=100), clock=time.time),
            "open_transport": httpx.AsyncHTTPTransport,
            "draw_seed": lambda: 7,
            "new_id": lambda: next(ids),
        }
        return create_app(settings=settings, **(usual | options))

    return build


@pytest.fixture
def app(app_of: Callable[..., FastAPI], settings: DarkroomSettings) -> FastAPI:
    """The application with the settings above."""
    return app_of(settings)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://darkroom") as client:
        yield client


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """The URL of a running server."""
    with fal_server() as url:
        yield url


@pytest.fixture(scope="module")
def fal(base: str) -> Iterator[fal_client.SyncClient]:
    """The official client of that server."""
    with official_client(base) as client:
        yield client
