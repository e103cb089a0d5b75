"""Stand-ins for what the API needs: a service that does what a test says, and a fetcher that finds one picture."""

import asyncio
import io
from collections.abc import AsyncIterator

from fakes import MemoryBlobStore
from PIL import Image

from app.compound import CompoundResult
from app.errors import AlreadyCompletedError, DarkroomError, NotReadyError, UnknownRequestError
from app.generation import LOCAL_TENANT, Generation, GenerationRequest, JobStep, Picture, Receipt
from app.handling import Webhook
from app.requests import Director
from app.storage.jobs import Once, RequestState, RequestView


class FakeService:
    """Answers at once unless `gate` is cleared.

    `error` fails direct calls, `late_error` streams after their `steps`; `views` holds what
    status and watch show, by request id; `queued` is how many requests wait.
    """

    def __init__(self, blobs: MemoryBlobStore) -> None:
        self.requests: list[GenerationRequest] = []
        self.onces: list[Once | None] = []
        self.failures: list[DarkroomError] = []
        self.webhooks: list[Webhook | None] = []
        self.cancelled: list[str] = []
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.late_error: DarkroomError | None = None
        self.steps: tuple[JobStep, ...] = ()
        self.views: dict[str, list[RequestView]] = {}
        self.queued = 0
        self._blobs = blobs

    async def generate(self, request: GenerationRequest) -> Generation:
        """Wait for the gate; `stopped` is set when the caller gives up before."""
        self.requests.append(request)
        self.started.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        if self.error is not None:
            raise self.error
        return self._generation(request)

    async def stream(self, request: GenerationRequest) -> AsyncIterator[JobStep | Generation]:
        """The steps, then the late error or the generation."""
        for step in self.steps:
            yield step
        if self.late_error is not None:
            raise self.late_error
        yield await self.generate(request)

    def direct(self, kind: str, director: Director) -> None:
        """Nobody is ever asked to direct."""

    async def submit(self, request: GenerationRequest, *, once: Once | None = None) -> RequestView:
        """Queue the request for ever."""
        self.onces.append(once)
        self.requests.append(request)
        view = RequestView(
            request_id=request.request_id,
            endpoint=request.endpoint,
            queue_position=self.queued,
            tenant=request.tenant,
        )
        self.views[request.request_id] = [view]
        return view

    async def record_failure(
        self,
        request_id: str,
        endpoint: str,
        error: DarkroomError,
        *,
        once: Once | None = None,
        webhook: Webhook | None = None,
        tenant: str = LOCAL_TENANT,
    ) -> RequestView:
        """Complete the request with the error."""
        self.failures.append(error)
        self.webhooks.append(webhook)
        state = RequestState.COMPLETED
        view = RequestView(request_id=request_id, endpoint=endpoint, state=state, error=error, tenant=tenant)
        self.views[request_id] = [view]
        return view

    async def status(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> RequestView:
        """The last of the request's views, when it is the tenant's."""
        if request_id not in self.views or self.views[request_id][-1].tenant != tenant:
            raise UnknownRequestError("no such request")
        return self.views[request_id][-1]

    async def watch(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> AsyncIterator[RequestView]:
        """All views of the request."""
        await self.status(request_id, tenant=tenant)
        for view in self.views[request_id]:
            yield view

    async def result(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> Generation | CompoundResult:
        """What the last view says."""
        view = await self.status(request_id, tenant=tenant)
        if view.error is not None:
            raise view.error
        if view.generation is None:
            raise NotReadyError("not yet")
        return view.generation

    async def cancel(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> None:
        """Remember who was cancelled."""
        if (await self.status(request_id, tenant=tenant)).is_completed:
            raise AlreadyCompletedError("too late")
        self.cancelled.append(request_id)

    def waiting(self, endpoint: str) -> int:
        """What the test says."""
        return self.queued

    def _generation(self, request: GenerationRequest) -> Generation:
        spec = request.spec
        picture = Picture(
            blob_key="0123abcd.png",
            width=spec.width,
            height=spec.height,
            image_format=spec.image_format,
            byte_count=4,
            receipt=Receipt(variant=spec.variant, steps=spec.steps, replica="sketch#1"),
        )
        self._blobs.files[picture.blob_key] = b"\x89PNG"
        return Generation(
            request_id=request.request_id,
            prompt=spec.prompt,
            seed=spec.seed,
            pictures=(picture,) * request.num_images,
            inference_s=0.25,
            inline=request.inline,
        )


class FakeFetcher:
    """Finds a red picture of 160 by 120 pixels under every URL; `asked` holds URLs and our own base."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def fetch(self, url: str, *, own_base: str) -> bytes:
        """The picture's file."""
        self.asked.append((url, own_base))
        buffer = io.BytesIO()
        Image.new("RGB", (160, 120), "red").save(buffer, "PNG")
        return buffer.getvalue()
