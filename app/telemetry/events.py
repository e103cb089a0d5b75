"""Domain events: what happened, as plain values; metrics, spans and logs are made from these elsewhere.

Times are epoch seconds, so that events of several processes fall into one trace.
"""

from collections.abc import Callable
from dataclasses import dataclass

from app.generation import CacheLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReceived:
    """A request passed validation at the gateway."""

    request_id: str
    endpoint: str
    tier: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCompleted:
    """The gateway has the whole answer, or the error, of a request; `error_type` is empty on success."""

    request_id: str
    endpoint: str
    started_s: float
    ended_s: float
    pictures: int
    error_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLookedUp:
    """The gateway's cache was asked for one picture."""

    request_id: str
    level: CacheLevel
    gpu_ms_saved: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnqueued:
    """A job entered a variant's queue, which then held `queued` jobs."""

    job_id: str
    variant: str
    queued: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDispatched:
    """A job left its queue for a replica, in a batch of `batch_size`."""

    job_id: str
    variant: str
    replica: str
    batch_size: int
    enqueued_s: float
    dispatched_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDropped:
    """A job left its queue without running: cancelled or out of time."""

    job_id: str
    variant: str
    reason: str
    enqueued_s: float
    dropped_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One denoising step of a batch."""

    job_ids: tuple[str, ...]
    variant: str
    step: int
    steps: int
    started_s: float
    ended_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDone:
    """One stage other than denoising of one job: `stage` is encode, decode, upscale or store."""

    job_id: str
    stage: str
    variant: str
    started_s: float
    ended_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantReady:
    """A replica has loaded and warmed a variant."""

    variant: str
    replica: str
    load_s: float
    warm_s: float
    resident_bytes: int


Event = (
    RequestReceived
    | RequestCompleted
    | CacheLookedUp
    | JobEnqueued
    | JobDispatched
    | JobDropped
    | StepDone
    | StageDone
    | VariantReady
)

Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer for callers that do not watch."""
