"""The HTTP application over a service that does what a test says, and a client that speaks to it in-process."""

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fakes import MemoryBlobStore
from fastapi import FastAPI
from PIL import Image

from app.api.app import create_app
from app.config import DarkroomSettings, load_settings
from app.errors import AlreadyCompletedError, DarkroomError, NotReadyError, UnknownRequestError
from app.generation import Generation, GenerationRequest, JobStep, Picture, Receipt
from app.storage.jobs import RequestState, RequestView

ROOT = Path(__file__).resolve().parents[3]
BASE = "http://darkroom"


def generation_of(request: GenerationRequest, blobs: MemoryBlobStore) -> Generation:
    """The answer to a request, with its pictures in the store."""
    spec = request.spec
    picture = Picture(
        blob_key="0123abcd.png",
        width=spec.width,
        height=spec.height,
        image_format=spec.image_format,
        byte_count=4,
        receipt=Receipt(variant=spec.variant, steps=spec.steps, replica="sketch#1"),
    )
    blobs.files[picture.blob_key] = b"\x89PNG"
    return Generation(
        request_id=request.request_id,
        prompt=spec.prompt,
        seed=spec.seed,
        pictures=(picture,) * request.num_images,
        inference_s=0.25,
        inline=request.inline,
    )


class FakeService:
    """Answers at once unless `gate` is cleared; fails with `error`; `views` are what status, watch and submit show."""

    def __init__(self, blobs: MemoryBlobStore) -> None:
        self.blobs = blobs
        self.requests: list[GenerationRequest] = []
        self.failures: list[DarkroomError] = []
        self.cancelled: list[str] = []
        self.stopped = asyncio.Event()
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.late_error: DarkroomError | None = None
        self.steps: tuple[JobStep, ...] = ()
        self.views: dict[str, list[RequestView]] = {}
        self.queued = 0

    async def generate(self, request: GenerationRequest) -> Generation:
        self.requests.append(request)
        self.started.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        if self.error is not None:
            raise self.error
        return generation_of(request, self.blobs)

    async def stream(self, request: GenerationRequest) -> AsyncIterator[JobStep | Generation]:
        if self.error is not None:
            raise self.error
        for step in self.steps:
            yield step
        if self.late_error is not None:
            raise self.late_error
        yield await self.generate(request)

    async def submit(self, request: GenerationRequest) -> RequestView:
        self.requests.append(request)
        view = RequestView(request_id=request.request_id, endpoint=request.endpoint, queue_position=self.queued)
        self.views[request.request_id] = [view]
        return view

    async def record_failure(self, request_id: str, endpoint: str, error: DarkroomError) -> RequestView:
        self.failures.append(error)
        view = RequestView(request_id=request_id, endpoint=endpoint, state=RequestState.COMPLETED, error=error)
        self.views[request_id] = [view]
        return view

    async def status(self, request_id: str) -> RequestView:
        if request_id not in self.views:
            raise UnknownRequestError("no such request")
        return self.views[request_id][-1]

    async def watch(self, request_id: str) -> AsyncIterator[RequestView]:
        await self.status(request_id)
        for view in self.views[request_id]:
            yield view

    async def result(self, request_id: str) -> Generation:
        view = await self.status(request_id)
        if view.error is not None:
            raise view.error
        if view.generation is None:
            raise NotReadyError("wait")
        return view.generation

    async def cancel(self, request_id: str) -> None:
        if (await self.status(request_id)).is_completed:
            raise AlreadyCompletedError("too late")
        self.cancelled.append(request_id)

    def waiting(self, endpoint: str) -> int:
        return self.queued


class FakeFetcher:
    """Gives the same bytes for every URL, and remembers what was asked."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[str, str]] = []

    async def fetch(self, url: str, *, own_base: str) -> bytes:
        self.asked.append((url, own_base))
        return self.data


def png(width: int, height: int) -> bytes:
    """A picture file of that size."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def settings() -> DarkroomSettings:
    """What `make run` serves, with bodies of at most 1000 bytes."""
    local = load_settings(ROOT / "configs" / "local.yaml")
    return local.model_copy(update={"server": local.server.model_copy(update={"max_body_bytes": 1000})})


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
    """A fetcher that finds a picture of 160 by 120 pixels everywhere."""
    return FakeFetcher(png(160, 120))


@pytest.fixture
def ids() -> Iterator[str]:
    """Request ids in order: call-1, call-2, …"""
    return (f"call-{number}" for number in itertools.count(1))


@pytest.fixture
def app_of(
    service: FakeService, blobs: MemoryBlobStore, fetcher: FakeFetcher, ids: Iterator[str]
) -> Callable[[DarkroomSettings], FastAPI]:
    """Builds the application for some settings; its seeds are 7."""

    def build(settings: DarkroomSettings) -> FastAPI:
        return create_app(
            service=service,
            blobs=blobs,
            fetcher=fetcher,
            settings=settings,
            draw_seed=lambda: 7,
            new_id=lambda: next(ids),
        )

    return build


@pytest.fixture
def app(app_of: Callable[[DarkroomSettings], FastAPI], settings: DarkroomSettings) -> FastAPI:
    """The application with the settings above."""
    return app_of(settings)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client
