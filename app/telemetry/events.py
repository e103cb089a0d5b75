"""Domain events: what happened, as plain values; metrics, spans and logs are made from these elsewhere.

Times are epoch seconds, so that events of several processes fall into one trace.
"""

from collections.abc import Callable
from dataclasses import dataclass

from app.cache_levels import CacheLevel


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
class SimilarJudged:
    """A similar prompt's picture was judged; its band, from the cosine `band` on, has that state, new if `changed`."""

    namespace: str
    band: float
    right: bool
    state: str
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnqueued:
    """A job entered a variant's queue, which then held `queued` jobs."""

    job_id: str
    variant: str
    queued: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDispatched:
    """A job left its queue for a replica."""

    job_id: str
    variant: str
    replica: str
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
    """One denoising step of a batch; `progress` has the steps done and the steps in all of each of its jobs.

    `predicted_s` is what the cost model had expected, where it knew anything.
    """

    job_ids: tuple[str, ...]
    progress: tuple[tuple[int, int], ...]
    variant: str
    started_s: float
    ended_s: float
    predicted_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSplit:
    """A step failed for a batch of that size, and was tried again in two parts."""

    variant: str
    batch_size: int
    out_of_memory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPaused:
    """A job that took part in the last step of its batch waits during the next, behind more urgent work."""

    job_id: str
    variant: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryObserved:
    """How a replica's device memory stands: bytes of tensors, of their allocator, and free for both."""

    replica: str
    allocated_bytes: int
    reserved_bytes: int
    free_bytes: int
    fragmentation: float


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantLoaded:
    """A variant's weights came into a replica's memory, whose models then took `resident_bytes` together."""

    variant: str
    replica: str
    load_s: float
    resident_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantEvicted:
    """A variant's weights, unused for `idle_s`, gave way to another's; `resident_bytes` is what stayed."""

    variant: str
    replica: str
    idle_s: float
    freed_bytes: int
    resident_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicasPlanned:
    """How many replicas a deployment shall have, how many run, and what each term of the policy asked for."""

    deployment: str
    replicas: int
    running: int
    terms: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicasDecided:
    """The number of replicas of a deployment is changed, and why."""

    deployment: str
    before: int
    replicas: int
    reason: str


Event = (
    RequestReceived
    | RequestCompleted
    | CacheLookedUp
    | SimilarJudged
    | JobEnqueued
    | JobDispatched
    | JobDropped
    | StepDone
    | BatchSplit
    | JobPaused
    | MemoryObserved
    | StageDone
    | VariantReady
    | VariantLoaded
    | VariantEvicted
    | ReplicasPlanned
    | ReplicasDecided
)

Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer for callers that do not watch."""
