"""What an operator can read from the metrics."""

from collections.abc import Sequence

import pytest

from app.cache_levels import CacheLevel
from app.telemetry.events import (
    BatchSplit,
    CacheLookedUp,
    Event,
    JobDispatched,
    JobEnqueued,
    JobPaused,
    MemoryObserved,
    RequestCompleted,
    SimilarJudged,
    StepDone,
    VariantEvicted,
    VariantLoaded,
)
from app.telemetry.metrics import MetricsObserver, broadcast


class RecordedMetric:
    """A metric of any kind that keeps what it was told."""

    def __init__(self) -> None:
        self.values: list[tuple[float, dict[str, str]]] = []

    def record(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
        """Keep the value."""
        self.values.append((value, tags or {}))

    inc = set = observe = record


class RecordedRegistry:
    """A registry of recorded metrics by name."""

    def __init__(self) -> None:
        self.metrics: dict[str, RecordedMetric] = {}

    def counter(self, name: str, description: str, tags: tuple[str, ...]) -> RecordedMetric:
        """A new recorded metric."""
        return self.metrics.setdefault(name, RecordedMetric())

    gauge = counter

    def histogram(
        self, name: str, description: str, boundaries: Sequence[float], tags: tuple[str, ...]
    ) -> RecordedMetric:
        """A new recorded metric."""
        return self.counter(name, description, tags)


@pytest.fixture
def registry() -> RecordedRegistry:
    """An empty registry."""
    return RecordedRegistry()


def test_a_successful_request_counts_as_ok_with_its_latency(registry: RecordedRegistry) -> None:
    """A request without an error type has the outcome "ok", and its latency is in milliseconds."""
    MetricsObserver(registry)(
        RequestCompleted(request_id="r", endpoint="fal-ai/flux/dev", started_s=10.0, ended_s=10.25, pictures=1)
    )

    assert registry.metrics["darkroom_requests"].values == [(1, {"endpoint": "fal-ai/flux/dev", "outcome": "ok"})]
    assert registry.metrics["darkroom_request_ms"].values == [(250.0, {"endpoint": "fal-ai/flux/dev"})]


def test_a_failed_request_counts_under_its_error_type(registry: RecordedRegistry) -> None:
    """The outcome of a failed request is its error type."""
    event = RequestCompleted(
        request_id="r", endpoint="e", started_s=0.0, ended_s=1.0, pictures=0, error_type="request_timeout"
    )

    MetricsObserver(registry)(event)

    assert registry.metrics["darkroom_requests"].values == [(1, {"endpoint": "e", "outcome": "request_timeout"})]


@pytest.mark.parametrize(
    ("level", "saved"), [(CacheLevel.EXACT, [(40.0, {})]), (CacheLevel.JOINED, [(40.0, {})]), (CacheLevel.NONE, [])]
)
def test_only_hits_save_device_time(registry: RecordedRegistry, level: CacheLevel, saved: list[object]) -> None:
    """A look-up counts under its level; a miss saves nothing."""
    MetricsObserver(registry)(CacheLookedUp(request_id="r", level=level, gpu_ms_saved=40.0))

    assert registry.metrics["darkroom_cache_lookups"].values == [(1, {"level": level.value})]
    assert registry.metrics["darkroom_cache_saved_gpu_ms"].values == saved


def test_audits_of_similar_pictures_are_counted(registry: RecordedRegistry) -> None:
    """By their verdict, and by what the band may do after it."""
    MetricsObserver(registry)(SimilarJudged(namespace="n", band=0.9, right=False, state="shadow", changed=True))

    assert registry.metrics["darkroom_similar_audits"].values == [(1, {"right": "false", "state": "shadow"})]


def test_the_queue_shows_its_depth_and_each_job_its_wait(registry: RecordedRegistry) -> None:
    """Depth is the number waiting after the job entered; the wait ends when the job is dispatched."""
    observe = MetricsObserver(registry)
    observe(JobEnqueued(job_id="r.0", variant="v", queued=3, at_s=1.0))
    observe(JobDispatched(job_id="r.0", variant="v", replica="a", enqueued_s=1.0, dispatched_s=1.5))

    assert registry.metrics["darkroom_queued_jobs"].values == [(3, {"variant": "v"})]
    assert registry.metrics["darkroom_queue_ms"].values == [(500.0, {"variant": "v"})]


def test_a_step_shows_its_batch_and_how_well_it_was_foreseen(registry: RecordedRegistry) -> None:
    """Time, pictures, and the relative error of the prediction, where there was one."""
    observe = MetricsObserver(registry)
    jobs, progress = ("r.0", "q.0"), ((1, 4), (2, 4))
    observe(StepDone(job_ids=jobs, progress=progress, variant="v", started_s=1.0, ended_s=1.5, predicted_s=0.6))
    observe(StepDone(job_ids=jobs, progress=progress, variant="v", started_s=2.0, ended_s=2.5))
    (error,) = registry.metrics["darkroom_step_prediction_error"].values

    assert registry.metrics["darkroom_step_ms"].values == [(500.0, {"variant": "v"})] * 2
    assert registry.metrics["darkroom_batch_size"].values == [(2, {"variant": "v"})] * 2
    assert error == (pytest.approx(0.2), {"variant": "v"})


def test_trouble_on_the_device_is_counted(registry: RecordedRegistry) -> None:
    """Batches that were split, jobs that were paused, and how the memory stands."""
    observe = MetricsObserver(registry)
    observe(BatchSplit(variant="v", batch_size=4, out_of_memory=True))
    observe(JobPaused(job_id="r.0", variant="v", step=3))
    observe(MemoryObserved(replica="a", allocated_bytes=60, reserved_bytes=80, free_bytes=20, fragmentation=0.25))

    assert registry.metrics["darkroom_batch_splits"].values == [(1, {"variant": "v", "out_of_memory": "true"})]
    assert registry.metrics["darkroom_job_pauses"].values == [(1, {"variant": "v"})]
    assert (60, {"kind": "allocated"}) in registry.metrics["darkroom_device_memory_bytes"].values
    assert registry.metrics["darkroom_device_memory_fragmentation"].values == [(0.25, {})]


def test_weights_that_come_and_go_are_counted(registry: RecordedRegistry) -> None:
    """Each move counts by variant, and the memory that weights take is what the last move left."""
    observe = MetricsObserver(registry)
    observe(VariantLoaded(variant="v", replica="a", load_s=1.0, resident_bytes=70))
    observe(VariantEvicted(variant="w", replica="a", idle_s=9.0, freed_bytes=50, resident_bytes=20))

    moves = [(1, {"variant": "v", "move": "loaded"}), (1, {"variant": "w", "move": "evicted"})]
    assert registry.metrics["darkroom_variant_moves"].values == moves
    assert registry.metrics["darkroom_device_memory_bytes"].values == [
        (70, {"kind": "weights"}),
        (20, {"kind": "weights"}),
    ]


def test_every_observer_hears_every_event() -> None:
    """A broadcast passes each event to all of its observers in order."""
    heard: list[tuple[str, Event]] = []
    event = CacheLookedUp(request_id="r", level=CacheLevel.NONE)

    broadcast(lambda each: heard.append(("first", each)), lambda each: heard.append(("second", each)))(event)

    assert heard == [("first", event), ("second", event)]
