"""What a job store promises: an acknowledged request is kept until it is complete, and completed once."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.compound import CompoundResult, QueuedRequest
from app.errors import DarkroomError
from app.generation import LOCAL_TENANT, Generation
from app.storage.jobs.outbox import Message, Outbox


class RequestState(StrEnum):
    """Where a queued request stands; it only ever moves forward."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line for the caller, with the epoch seconds at which it was written."""

    message: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView:
    """One queued request as its caller sees it.

    `queue_position` counts the requests ahead of it and is None once it runs; `generation` or
    `error` is set when it is completed; `inference_s` spans its first start to its end; `tags`
    are labels, most of them the caller's.
    """

    request_id: str
    endpoint: str
    state: RequestState = RequestState.QUEUED
    queue_position: int | None = None
    logs: tuple[LogLine, ...] = ()
    error: DarkroomError | None = None
    inference_s: float | None = None
    generation: Generation | CompoundResult | None = None
    tenant: str = LOCAL_TENANT
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def is_completed(self) -> bool:
        """True when the request will not change any more."""
        return self.state is RequestState.COMPLETED


@dataclass(frozen=True, slots=True)
class Once:
    """A tenant's promise that all calls with this key are one; equal fingerprints tell that they are."""

    tenant: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """What is kept of a request when it is acknowledged; without `request` it is complete already.

    `submitted_s` and `deadline_s` are epoch seconds; the latter orders the queue. `messages` are
    sent with it.
    """

    view: RequestView
    request: QueuedRequest | None
    submitted_s: float
    deadline_s: float
    once: Once | None = None
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a request; `fence` grows with every holder, so that earlier ones are refused."""

    request_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A request, whoever works on it; `request` is None once it is complete."""

    lease: Lease
    view: RequestView
    request: QueuedRequest | None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A request that is kept; `lease` is None when an earlier call with the same key had brought it."""

    view: RequestView
    lease: Lease | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A request that nobody works on any more, leased to the one who asked.

    `attempts` counts the holders that had begun with it and were lost.
    """

    lease: Lease
    request: QueuedRequest
    view: RequestView
    submitted_s: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a leased request is; `has_begun` tells that this holder's work on it has started."""

    lease: Lease
    view: RequestView
    has_begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long things are kept, in seconds.

    A completed request stays for `ttl_s`, an ephemeral one for `ephemeral_ttl_s` at most, and
    among the last `max_completed`; a lease ends `lease_s` after its holder was last heard of.
    """

    ttl_s: float
    max_completed: int
    ephemeral_ttl_s: float = 3600.0
    lease_s: float = 10.0

    def keep_s(self, request: QueuedRequest | None) -> float:
        """How long this request stays after its completion."""
        is_ephemeral = request is not None and request.ephemeral
        return min(self.ttl_s, self.ephemeral_ttl_s) if is_ephemeral else self.ttl_s


class JobStore(Outbox, Protocol):
    """Queued requests of one worker, or of many that share a database; each object is one worker.

    What a call has returned for is committed. Every method raises StoreUnavailableError when
    the store cannot be reached in time; the call may then have taken effect, and can be made again.
    """

    async def open(self) -> None:
        """Connect and bring the schema up to date; raises ConfigurationError when that is impossible."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...

    async def submit(self, new: NewRequest) -> Acknowledgement:
        """Keep the request and lease it to this worker.

        Raises RepeatedKeyError when its key came with another fingerprint before.
        """
        ...

    async def claim(self, limit: int) -> list[Claim]:
        """Lease at most so many unfinished requests whose lease is over, most urgent first."""
        ...

    async def renew(self) -> list[Lease]:
        """Extend all leases of this worker that nobody has taken over; these are returned."""
        ...

    async def release(self, leases: Sequence[Lease]) -> None:
        """End leases at once, so that others may claim the requests."""
        ...

    async def publish(self, progress: Sequence[Progress]) -> None:
        """Show how far requests are; those whose lease was lost or that are complete stay as they are."""
        ...

    async def complete(self, lease: Lease, view: RequestView, *, messages: Sequence[Message] = ()) -> RequestView:
        """Complete the request, send the messages with it, and forget its input.

        Returns the same view, or the one with which it was completed before: the first one wins.
        Raises LeaseLostError when another worker has the lease, UnknownRequestError.
        """
        ...

    async def get(self, request_id: str, *, tenant: str | None = None) -> RequestView:
        """The latest view; raises UnknownRequestError, also when it has been kept long enough.

        Here as below, with `tenant` another tenant's request is as unknown as one that never was; None: whoever's.
        """
        ...

    async def standing(self, request_id: str, *, tenant: str | None = None) -> Standing:
        """The request and the lease under which it is now; raises UnknownRequestError."""
        ...

    def watch(self, request_id: str, *, tenant: str | None = None) -> AsyncGenerator[RequestView, None]:
        """The view now and at every change by any worker, the completed one last; raises UnknownRequestError."""
        ...

    def listen(self, hear: Callable[[str | None], None]) -> None:
        """Call `hear` with the id of each request that another worker changed; None: it may be any."""
        ...

    async def forget(self) -> None:
        """Drop what has been kept long enough, and the oldest completed requests beyond the limit."""
        ...
