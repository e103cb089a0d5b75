"""What the API needs from the rest of Darkroom."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from app.compound import CompoundResult, QueuedRequest
from app.errors import DarkroomError
from app.generation import LOCAL_TENANT, Generation, GenerationRequest, JobStep
from app.handling import Webhook
from app.requests import Director
from app.storage.jobs import Once, RequestView

WarmCheck = Callable[[], Awaitable[bool]]


class Service(Protocol):
    """The use case: direct calls are awaited, queued requests are asked for by id."""

    async def generate(self, request: GenerationRequest) -> Generation:
        """Make the pictures of a direct call; cancelling the await stops the work."""
        ...

    def stream(self, request: GenerationRequest) -> AsyncIterator[JobStep | Generation]:
        """The steps of a direct call as they happen, its Generation last; closing the iterator stops the work."""
        ...

    def direct(self, kind: str, director: Director) -> None:
        """Let queued requests of the kind, which are made of others, be directed so."""
        ...

    async def submit(self, request: QueuedRequest, *, once: Once | None = None) -> RequestView:
        """Put a request into the queue, unless one is there with the same key; raises RepeatedKeyError."""
        ...

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
        """Complete a queued request with the error that its input deserves, and tell its webhook."""
        ...

    async def status(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> RequestView:
        """The request as it stands; raises UnknownRequestError, here as below also for another tenant's."""
        ...

    def watch(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> AsyncIterator[RequestView]:
        """A view at every change, the completed one last; raises UnknownRequestError."""
        ...

    async def result(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> Generation | CompoundResult:
        """The answer; raises NotReadyError, UnknownRequestError or the request's own error."""
        ...

    async def cancel(self, request_id: str, *, tenant: str = LOCAL_TENANT) -> None:
        """Stop a queued request; raises AlreadyCompletedError or UnknownRequestError."""
        ...

    def waiting(self, endpoint: str) -> int:
        """How many requests of the endpoint wait for their start."""
        ...


class Fetcher(Protocol):
    """Brings the bytes behind a URL that a caller named."""

    async def fetch(self, url: str, *, own_base: str) -> bytes:
        """The bytes; `own_base` is this server's public base URL. Raises InvalidInputError on `image_url`."""
        ...
