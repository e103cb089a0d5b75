"""The job store: queued requests, from their acknowledgement until their result has been kept long enough."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.config import StorageSettings
from app.errors import ConfigurationError, DarkroomError, UnknownRequestError
from app.generation import Generation


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
    `error` is set when it is completed; `inference_s` spans its first start to its end.
    """

    request_id: str
    endpoint: str
    state: RequestState = RequestState.QUEUED
    queue_position: int | None = None
    logs: tuple[LogLine, ...] = ()
    error: DarkroomError | None = None
    inference_s: float | None = None
    generation: Generation | None = None

    @property
    def is_completed(self) -> bool:
        """True when the request will not change any more."""
        return self.state is RequestState.COMPLETED


class JobStore(Protocol):
    """The latest view of every request. Unfinished requests are kept; completed ones for a limited time."""

    async def put(self, view: RequestView) -> None:
        """Insert the view or replace the one before it."""
        ...

    async def get(self, request_id: str) -> RequestView:
        """The latest view; raises UnknownRequestError."""
        ...


class MemoryJobStore:
    """A job store for one process: it forgets everything with it.

    A completed request is kept for `ttl_s` seconds, and among the last `max_completed`.
    """

    def __init__(self, *, ttl_s: float, max_completed: int, clock: Callable[[], float]) -> None:
        self._ttl_s = ttl_s
        self._max_completed = max_completed
        self._clock = clock
        self._unfinished: dict[str, RequestView] = {}
        self._completed: OrderedDict[str, tuple[float, RequestView]] = OrderedDict()

    async def put(self, view: RequestView) -> None:
        """Insert the view or replace the one before it."""
        if not view.is_completed:
            self._unfinished[view.request_id] = view
            return
        self._unfinished.pop(view.request_id, None)
        self._completed[view.request_id] = (self._clock(), view)
        self._forget_old()

    async def get(self, request_id: str) -> RequestView:
        """The latest view; raises UnknownRequestError."""
        self._forget_old()
        if request_id in self._unfinished:
            return self._unfinished[request_id]
        if request_id in self._completed:
            return self._completed[request_id][1]
        raise UnknownRequestError(f"no request {request_id}")

    def _forget_old(self) -> None:
        oldest_s = self._clock() - self._ttl_s
        while self._completed:
            request_id, (completed_s, _) = next(iter(self._completed.items()))
            if completed_s >= oldest_s and len(self._completed) <= self._max_completed:
                return
            del self._completed[request_id]


def open_jobs(settings: StorageSettings) -> JobStore:
    """The configured store; raises ConfigurationError for one that is not served yet."""
    if settings.jobs != "memory":
        raise ConfigurationError(f"storage.jobs: {settings.jobs.partition(':')[0]} is not served yet; set jobs: memory")
    return MemoryJobStore(ttl_s=settings.result_ttl_s, max_completed=settings.max_results, clock=time.time)
