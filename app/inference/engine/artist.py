"""The work on the device: one thread begins jobs, steps them together and decodes them; failures stay per job."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from app.errors import GenerationFailedError
from app.generation import ImageFormat, JobDraining, JobStarted, JobStep, Receipt
from app.inference.embeddings import EmbeddingCache
from app.inference.engine.costs import CostModel, Shape, step_of
from app.inference.engine.jobs import Drawing, EngineJob, failed
from app.inference.engine.memory import DeviceMemory, is_out_of_memory
from app.inference.engine.variant import EngineVariant
from app.inference.pictures import encode_picture
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.trajectories import resumed
from app.telemetry.events import BatchSplit, Observer, StageDone, StepDone

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

PREVIEW_QUALITY = 75


class Artist:
    """Does what the loop decides, measures it, and tells each job's listener; not thread-safe.

    `clock` tells epoch seconds; `effort` counts seconds in which the device worked for this thread.

    When memory runs out, a batch is split and
    tried again, and what was learnt is remembered; a step that fails otherwise is split too,
    until only the job at fault fails.
    """

    def __init__(
        self,
        variants: Mapping[str, EngineVariant],
        *,
        memory: DeviceMemory,
        replica: str,
        observe: Observer,
        clock: Callable[[], float],
        effort: Callable[[], float],
    ) -> None:
        self._variants = variants
        self._embeddings = EmbeddingCache()
        self._memory = memory
        self._replica = replica
        self._observe = observe
        self._clock = clock
        self._effort = effort

    def begin(self, work: EngineJob) -> bool:
        """Give the job its model and its first latents; false when that failed, which ends the job."""
        started_s = self._clock()
        work.emit(JobStarted(job_id=work.job_id, replica=self._replica))
        try:
            work.state = self._with_room(lambda: self._first_state(work))
        except Exception as error:
            self._fail(work, error)
            return False
        work.tally.device_s += self._stage(work, "encode", started_s)
        return True

    def step(self, works: Sequence[EngineJob]) -> list[EngineJob]:
        """One denoising step of all; those returned have taken it, the others have failed."""
        for work in works:
            if work.state is not None and work.state.steps_left == 1 and not work.is_draining:
                work.is_draining = True
                work.emit(JobDraining(job_id=work.job_id))
        return self._step(list(works))

    def decode(self, work: EngineJob) -> None:
        """Hand over the finished picture; ends the job here."""
        started_s = self._clock()
        try:
            pixels = self._with_room(lambda: _pipeline(work).decode(_state(work)))
        except Exception as error:
            self._fail(work, error)
            return
        decode_s = self._stage(work, "decode", started_s)
        receipt = self._receipt(work, decode_s)
        work.emit(Drawing(job=work.job, pixels=pixels, receipt=receipt, latents=work.kept))

    def leave(self, work: EngineJob) -> None:
        """Let the job's model go, where it has one."""
        if work.pipeline is not None:
            work.pipeline = work.state = None
            self._variants[work.key.variant].let_go()

    def _first_state(self, work: EngineJob) -> SampleState:
        if work.pipeline is None:
            work.pipeline = self._variants[work.key.variant].pipeline()
        pipeline, spec = work.pipeline, work.job.spec
        embedding = self._embeddings.embedding(pipeline, spec, salt=work.job.file_salt)
        return _begun(work, pipeline.prepare(spec, embedding, work.order.source))

    def _step(self, works: list[EngineJob]) -> list[EngineJob]:
        started_s, spent_s = self._clock(), self._effort()
        before = [_state(work) for work in works]
        try:
            after, needed = self._attempt(works, before)
        except Exception as error:
            return self._step_in_parts(works, error)
        ended_s = self._clock()
        predicted_s = self._learn(works, ended_s - started_s, self._effort() - spent_s, needed)
        for work, old, new in zip(works, before, after, strict=True):
            work.state = new
            work.tally.step(started_s, ended_s, batch=len(works))
            work.keep_latents()
            self._report(work, old, new)
        self._observe(_step_done(works, started_s=started_s, ended_s=ended_s, predicted_s=predicted_s))
        return works

    def _attempt(self, works: list[EngineJob], states: list[SampleState]) -> tuple[list[SampleState], int | None]:
        def step() -> tuple[list[SampleState], int | None]:
            return self._memory.peak(lambda: _pipeline(works[0]).step(states))

        return step() if len(works) > 1 else self._with_room(step)

    def _learn(self, works: list[EngineJob], seconds: float, effort_s: float, needed: int | None) -> float | None:
        shape, costs = step_of(works[0].key), self._costs(works[0])
        costs.observe_effort(shape, len(works), effort_s)
        if needed is not None:
            costs.observe_bytes(shape, len(works), needed)
        return costs.observe(shape, len(works), seconds)

    def _step_in_parts(self, works: list[EngineJob], error: Exception) -> list[EngineJob]:
        short = is_out_of_memory(error)
        if short:
            self._costs(works[0]).learn_shortage(step_of(works[0].key), len(works), self._memory.free())
            self._memory.trim()
        if len(works) > 1:
            self._observe(BatchSplit(variant=works[0].key.variant, batch_size=len(works), out_of_memory=short))
            half = len(works) // 2
            return [*self._step(works[:half]), *self._step(works[half:])]
        return self._fail(works[0], error)

    def _with_room(self, attempt: Callable[[], Result]) -> Result:
        try:
            return attempt()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self._memory.trim()
        return attempt()

    def _report(self, work: EngineJob, before: SampleState, after: SampleState) -> None:
        if not work.job.report_steps:
            return
        preview = self._preview(work, before, after) if work.job.previews and after.steps_left else None
        work.emit(JobStep(job_id=work.job_id, step=after.step, steps=after.steps, preview=preview))

    def _preview(self, work: EngineJob, before: SampleState, after: SampleState) -> bytes | None:
        try:
            pixels = _pipeline(work).preview(before, after)
            return encode_picture(pixels, ImageFormat.JPEG, quality=PREVIEW_QUALITY)
        except Exception:
            logger.warning("job %s: a preview could not be made", work.job_id, exc_info=True)
            return None

    def _receipt(self, work: EngineJob, decode_s: float) -> Receipt:
        steps, tally = _state(work).steps, work.tally
        taken = steps - work.skipped_steps
        return Receipt(
            variant=work.key.variant,
            steps=steps,
            skipped_steps=work.skipped_steps,
            batch_size=round(tally.pictures / taken, 2) if taken else 1.0,
            denoise_s=tally.denoise_s,
            paused_s=tally.paused_s,
            decode_s=decode_s,
            gpu_ms=1000 * (tally.device_s + decode_s),
            replica=self._replica,
        )

    def _stage(self, work: EngineJob, stage: str, started_s: float) -> float:
        ended_s, key = self._clock(), work.key
        self._costs(work).observe(Shape(stage, *key.size), 1, ended_s - started_s)
        self._observe(
            StageDone(job_id=work.job_id, stage=stage, variant=key.variant, started_s=started_s, ended_s=ended_s)
        )
        return ended_s - started_s

    def _costs(self, work: EngineJob) -> CostModel:
        return self._variants[work.key.variant].costs

    def _fail(self, work: EngineJob, error: Exception) -> list[EngineJob]:
        if is_out_of_memory(error):
            error = GenerationFailedError("the device has not enough memory for a picture of this size")
        work.emit(failed(work.job, error))
        return []


def _begun(work: EngineJob, state: SampleState) -> SampleState:
    """The state where the job's picture begins: further on where that can be, which nobody's picture depends on."""
    start = work.job.latents.start
    if start is None or work.order.start is None:
        return state
    try:
        state = resumed(state, work.order.start, start.step)
    except ValueError:
        logger.warning("job %s begins from noise", work.job_id, exc_info=True)
    work.skipped_steps = state.step
    return state


def _state(work: EngineJob) -> SampleState:
    if work.state is None:
        raise RuntimeError(f"job {work.job_id} has not begun")
    return work.state


def _pipeline(work: EngineJob) -> StepPipeline:
    if work.pipeline is None:
        raise RuntimeError(f"job {work.job_id} has no model")
    return work.pipeline


def _step_done(works: Sequence[EngineJob], *, started_s: float, ended_s: float, predicted_s: float | None) -> StepDone:
    return StepDone(
        job_ids=tuple(work.job_id for work in works),
        progress=tuple((_state(work).step, _state(work).steps) for work in works),
        variant=works[0].key.variant,
        started_s=started_s,
        ended_s=ended_s,
        predicted_s=predicted_s,
    )
