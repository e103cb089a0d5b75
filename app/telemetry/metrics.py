"""Metrics made from domain events, on whatever registry the process has (in production, `ray.serve.metrics`)."""

from collections.abc import Sequence
from typing import Protocol

from app.cache_levels import CacheLevel
from app.telemetry import events
from app.telemetry.events import Event, Observer

LATENCY_BOUNDARIES_MS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000)
BATCH_BOUNDARIES = (1, 2, 4, 8, 16, 32)
ERROR_BOUNDARIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Counter(Protocol):
    """A number that only grows."""

    def inc(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
        """Add `value`."""
        ...


class Gauge(Protocol):
    """A number that is replaced."""

    def set(self, value: float, tags: dict[str, str] | None = None) -> None:
        """Replace the value."""
        ...


class Histogram(Protocol):
    """A distribution of observed values."""

    def observe(self, value: float, tags: dict[str, str] | None = None) -> None:
        """Count one value."""
        ...


class Registry(Protocol):
    """Makes named metrics; names are unique in a process."""

    def counter(self, name: str, description: str, tags: tuple[str, ...]) -> Counter:
        """A new counter."""
        ...

    def gauge(self, name: str, description: str, tags: tuple[str, ...]) -> Gauge:
        """A new gauge."""
        ...

    def histogram(self, name: str, description: str, boundaries: Sequence[float], tags: tuple[str, ...]) -> Histogram:
        """A new histogram with the given upper bounds."""
        ...


class MetricsObserver:
    """Turns each event into the metrics that an operator watches."""

    def __init__(self, registry: Registry) -> None:
        self._requests = registry.counter(
            "darkroom_requests", "Requests answered, by endpoint and outcome.", ("endpoint", "outcome")
        )
        self._request_ms = registry.histogram(
            "darkroom_request_ms", "Request latency at the gateway, ms.", LATENCY_BOUNDARIES_MS, ("endpoint",)
        )
        self._cache = registry.counter("darkroom_cache_lookups", "Cache look-ups, by level that answered.", ("level",))
        self._saved_gpu_ms = registry.counter("darkroom_cache_saved_gpu_ms", "Device ms that hits saved.", ())
        self._similar_audits = registry.counter(
            "darkroom_similar_audits", "Similar prompts' pictures that were judged.", ("right", "state")
        )
        self._queued = registry.gauge("darkroom_queued_jobs", "Jobs waiting for a slot, by variant.", ("variant",))
        self._queue_ms = registry.histogram(
            "darkroom_queue_ms", "Wait of a job for its slot, ms.", LATENCY_BOUNDARIES_MS, ("variant",)
        )
        self._batch_size = registry.histogram(
            "darkroom_batch_size", "Pictures denoised together in one step.", BATCH_BOUNDARIES, ("variant",)
        )
        self._dropped = registry.counter(
            "darkroom_dropped_jobs", "Jobs that left the queue without running.", ("variant", "reason")
        )
        self._step_ms = registry.histogram(
            "darkroom_step_ms", "One denoising step of a batch, ms.", LATENCY_BOUNDARIES_MS, ("variant",)
        )
        self._stage_ms = registry.histogram(
            "darkroom_stage_ms", "Stages other than denoising, ms.", LATENCY_BOUNDARIES_MS, ("stage", "variant")
        )
        self._prediction_error = registry.histogram(
            "darkroom_step_prediction_error",
            "Predicted over measured time of a step, less one, without its sign.",
            ERROR_BOUNDARIES,
            ("variant",),
        )
        self._splits = registry.counter(
            "darkroom_batch_splits", "Batches that failed and were tried again in parts.", ("variant", "out_of_memory")
        )
        self._pauses = registry.counter("darkroom_job_pauses", "Jobs paused for more urgent ones.", ("variant",))
        self._memory_bytes = registry.gauge("darkroom_device_memory_bytes", "Memory of the device.", ("kind",))
        self._fragmentation = registry.gauge(
            "darkroom_device_memory_fragmentation", "Share of the allocator's memory that no tensor uses.", ()
        )
        self._load_s = registry.gauge("darkroom_variant_load_s", "Loading and warming of a variant, s.", ("variant",))
        self._moves = registry.counter(
            "darkroom_variant_moves", "Weights loaded on demand, or evicted for others.", ("variant", "move")
        )
        self._planned = registry.gauge("darkroom_scaling_replicas", "Replicas planned.", ("scaled",))
        self._terms = registry.gauge(
            "darkroom_scaling_term_replicas", "Replicas that a term of the policy asks for.", ("scaled", "term")
        )
        self._last_terms: dict[str, dict[str, float]] = {}
        self._changes = registry.counter(
            "darkroom_scaling_changes", "Changes of the number of replicas.", ("scaled", "direction")
        )

    def __call__(self, event: Event) -> None:
        """Count one event."""
        match event:
            case events.RequestCompleted():
                outcome = event.error_type or "ok"
                self._requests.inc(1, {"endpoint": event.endpoint, "outcome": outcome})
                self._request_ms.observe(_ms(event.started_s, event.ended_s), {"endpoint": event.endpoint})
            case events.CacheLookedUp():
                self._cache.inc(1, {"level": event.level.value})
                if event.level is not CacheLevel.NONE and event.gpu_ms_saved > 0:
                    self._saved_gpu_ms.inc(event.gpu_ms_saved)
            case events.SimilarJudged():
                self._similar_audits.inc(1, {"right": str(event.right).lower(), "state": event.state})
            case events.JobEnqueued():
                self._queued.set(event.queued, {"variant": event.variant})
            case events.JobDispatched():
                self._queue_ms.observe(_ms(event.enqueued_s, event.dispatched_s), {"variant": event.variant})
            case events.JobDropped():
                self._dropped.inc(1, {"variant": event.variant, "reason": event.reason})
            case events.StepDone():
                self._step(event)
            case events.BatchSplit():
                self._splits.inc(1, {"variant": event.variant, "out_of_memory": str(event.out_of_memory).lower()})
            case events.JobPaused():
                self._pauses.inc(1, {"variant": event.variant})
            case events.MemoryObserved():
                self._memory(event)
            case events.StageDone():
                tags = {"stage": event.stage, "variant": event.variant}
                self._stage_ms.observe(_ms(event.started_s, event.ended_s), tags)
            case events.VariantReady():
                self._load_s.set(event.load_s + event.warm_s, {"variant": event.variant})
            case events.VariantLoaded():
                self._move(event, "loaded")
            case events.VariantEvicted():
                self._move(event, "evicted")
            case events.ReplicasPlanned():
                self._plan(event)
            case events.ReplicasDecided():
                direction = "up" if event.replicas > event.before else "down"
                self._changes.inc(1, {"scaled": event.deployment, "direction": direction})
            case events.RequestReceived():
                pass

    def _step(self, event: events.StepDone) -> None:
        tags, taken_s = {"variant": event.variant}, event.ended_s - event.started_s
        self._step_ms.observe(_ms(event.started_s, event.ended_s), tags)
        self._batch_size.observe(len(event.job_ids), tags)
        if event.predicted_s is not None and taken_s > 0:
            self._prediction_error.observe(abs(event.predicted_s / taken_s - 1), tags)

    def _move(self, event: events.VariantLoaded | events.VariantEvicted, move: str) -> None:
        self._moves.inc(1, {"variant": event.variant, "move": move})
        self._memory_bytes.set(event.resident_bytes, {"kind": "weights"})

    def _plan(self, event: events.ReplicasPlanned) -> None:
        self._planned.set(event.replicas, {"scaled": event.deployment})
        now = dict(event.terms)
        gone = self._last_terms.get(event.deployment, now).keys() - now.keys()
        self._last_terms[event.deployment] = now
        for term, replicas in (now | dict.fromkeys(gone, 0.0)).items():
            self._terms.set(replicas, {"scaled": event.deployment, "term": term})

    def _memory(self, event: events.MemoryObserved) -> None:
        kinds = {
            "allocated": event.allocated_bytes,
            "reserved": event.reserved_bytes,
            "free": event.free_bytes,
        }
        for kind, value in kinds.items():
            self._memory_bytes.set(value, {"kind": kind})
        self._fragmentation.set(event.fragmentation)


def broadcast(*observers: Observer) -> Observer:
    """One observer that tells all of these."""

    def observe(event: Event) -> None:
        for observer in observers:
            observer(event)

    return observe


def _ms(started_s: float, ended_s: float) -> float:
    return max(0.0, (ended_s - started_s) * 1000)
