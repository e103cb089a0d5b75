"""Draws one batch from start to end in the thread that owns the device; failures and cancels stay per job."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from app.errors import DarkroomError, GenerationFailedError, JobCancelledError
from app.generation import BatchDraining, BatchEvent, Job, JobFailed, JobStarted, JobStep, Receipt
from app.inference.embeddings import EmbeddingCache
from app.inference.pictures import Pixels
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.telemetry.events import Observer, StageDone, StepDone

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job with its input picture, where it has one."""

    job: Job
    source: Image.Image | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture in native size that is not stored yet."""

    job: Job
    pixels: Pixels
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Where a batch reports to: `emit` takes what happens to jobs; `is_cancelled` is asked by job id."""

    emit: Callable[[BatchEvent | Drawing], object]
    observe: Observer
    is_cancelled: Callable[[str], bool]


@dataclass(slots=True)
class _Sample:
    job: Job
    state: SampleState
    batch_size: int
    device_s: float
    denoise_s: float = 0.0

    @property
    def steps_left(self) -> int:
        return self.state.steps - self.state.step


_Work = TypeVar("_Work", Order, _Sample)


class BatchArtist:
    """Prepares, denoises and decodes batches with one pipeline; not thread-safe."""

    def __init__(self, pipeline: StepPipeline, *, variant: str, replica: str, clock: Callable[[], float]) -> None:
        self._pipeline = pipeline
        self._embeddings = EmbeddingCache(pipeline)
        self._variant = variant
        self._replica = replica
        self._clock = clock

    def draw(self, orders: Sequence[Order], outlet: Outlet) -> None:
        """Draw every order; each ends in a Drawing or a JobFailed. Cancelled jobs leave at the next step."""
        orders = _uncancelled(orders, outlet)
        for order in orders:
            outlet.emit(JobStarted(job_id=order.job.job_id, replica=self._replica))
        samples = [sample for order in orders if (sample := self._prepare(order, len(orders), outlet))]
        while samples := _uncancelled(samples, outlet):
            if max(sample.steps_left for sample in samples) == 1:
                outlet.emit(BatchDraining())
            samples = self._step(samples, outlet)
            for sample in _uncancelled([sample for sample in samples if not sample.steps_left], outlet):
                self._decode(sample, outlet)
            samples = [sample for sample in samples if sample.steps_left]

    def _prepare(self, order: Order, batch_size: int, outlet: Outlet) -> _Sample | None:
        spec, started_s = order.job.spec, self._clock()
        try:
            embedding = self._embeddings.encode(spec.prompt, spec.native_width, spec.native_height)
            state = self._pipeline.prepare(spec, embedding, order.source)
        except Exception as error:
            outlet.emit(failure(order.job, error))
            return None
        elapsed_s = self._stage("encode", order.job, started_s, outlet)
        return _Sample(order.job, state, batch_size, device_s=elapsed_s)

    def _step(self, samples: list[_Sample], outlet: Outlet) -> list[_Sample]:
        started_s = self._clock()
        moved = self._advance(samples, outlet)
        ended_s = self._clock()
        for sample in moved:
            sample.device_s += (ended_s - started_s) / len(samples)
            sample.denoise_s += ended_s - started_s
            _report_step(sample, outlet)
        self._observe_step(moved, started_s, ended_s, outlet)
        return moved

    def _advance(self, samples: list[_Sample], outlet: Outlet) -> list[_Sample]:
        try:
            states = self._pipeline.step([sample.state for sample in samples])
        except Exception as error:
            if len(samples) == 1:
                outlet.emit(failure(samples[0].job, error))
                return []
            return [moved for sample in samples for moved in self._advance([sample], outlet)]
        for sample, state in zip(samples, states, strict=True):
            sample.state = state
        return samples

    def _decode(self, sample: _Sample, outlet: Outlet) -> None:
        started_s = self._clock()
        try:
            pixels = self._pipeline.decode(sample.state)
        except Exception as error:
            outlet.emit(failure(sample.job, error))
            return
        decode_s = self._stage("decode", sample.job, started_s, outlet)
        outlet.emit(Drawing(job=sample.job, pixels=pixels, receipt=self._receipt(sample, decode_s)))

    def _receipt(self, sample: _Sample, decode_s: float) -> Receipt:
        return Receipt(
            variant=self._variant,
            steps=sample.state.steps,
            batch_size=sample.batch_size,
            denoise_s=sample.denoise_s,
            decode_s=decode_s,
            gpu_ms=1000 * (sample.device_s + decode_s),
            replica=self._replica,
        )

    def _stage(self, stage: str, job: Job, started_s: float, outlet: Outlet) -> float:
        ended_s = self._clock()
        outlet.observe(
            StageDone(job_id=job.job_id, stage=stage, variant=self._variant, started_s=started_s, ended_s=ended_s)
        )
        return ended_s - started_s

    def _observe_step(self, samples: list[_Sample], started_s: float, ended_s: float, outlet: Outlet) -> None:
        if not samples:
            return
        job_ids = tuple(sample.job.job_id for sample in samples)
        state = samples[0].state
        outlet.observe(
            StepDone(
                job_ids=job_ids, variant=self._variant, step=state.step, steps=state.steps,
                started_s=started_s, ended_s=ended_s,
            )
        )  # fmt: skip


def _uncancelled(works: Sequence[_Work], outlet: Outlet) -> list[_Work]:
    kept = []
    for work in works:
        if outlet.is_cancelled(work.job.job_id):
            outlet.emit(cancelled(work.job))
        else:
            kept.append(work)
    return kept


def _report_step(sample: _Sample, outlet: Outlet) -> None:
    if sample.job.report_steps:
        outlet.emit(JobStep(job_id=sample.job.job_id, step=sample.state.step, steps=sample.state.steps))


def cancelled(job: Job) -> JobFailed:
    """The event that ends a cancelled job."""
    return JobFailed(job_id=job.job_id, error=JobCancelledError("the request was cancelled"))


def failure(job: Job, error: Exception) -> JobFailed:
    """The event that ends a failed job; an unforeseen cause goes to the log, not to the caller."""
    if isinstance(error, DarkroomError):
        return JobFailed(job_id=job.job_id, error=error)
    _log.error("job %s failed", job.job_id, exc_info=error)
    return JobFailed(job_id=job.job_id, error=GenerationFailedError("the picture could not be made"))
