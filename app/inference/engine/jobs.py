"""A job inside the engine: where it stands, what it has cost, and who is told."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from PIL import Image

from app.errors import ConfigurationError, DarkroomError, GenerationFailedError, JobCancelledError
from app.generation import EngineEvent, Job, JobFailed, Receipt
from app.inference.engine.selection import Candidate
from app.inference.pictures import Pixels
from app.inference.pipelines.contract import SampleState, StepPipeline

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job with its input picture, where it has one, and the latents that it begins with, where those are had."""

    job: Job
    source: Image.Image | None = None
    start: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture in native size that is not stored yet, and its latents after the steps that were to be kept."""

    job: Job
    pixels: Pixels
    receipt: Receipt
    latents: Mapping[int, torch.Tensor] = field(default_factory=dict)


Emit = Callable[[EngineEvent | Drawing], object]


@dataclass(slots=True)
class Tally:
    """What a job has cost so far, in seconds; `paused_at_s` is an epoch time."""

    device_s: float = 0.0
    denoise_s: float = 0.0
    paused_s: float = 0.0
    pictures: int = 0
    paused_at_s: float | None = None

    def pause(self, now_s: float) -> None:
        """Others go first from now on."""
        self.paused_at_s = now_s

    def step(self, started_s: float, ended_s: float, *, batch: int) -> None:
        """Add a step shared by `batch` pictures; it ends a pause."""
        if self.paused_at_s is not None:
            self.paused_s += started_s - self.paused_at_s
            self.paused_at_s = None
        self.device_s += (ended_s - started_s) / batch
        self.denoise_s += ended_s - started_s
        self.pictures += batch


class EngineJob:
    """An order on its way; it has a `pipeline` and a `state` once it has begun. Any thread may set `is_cancelled`.

    `key` is what it shares with the jobs that it can be stepped with, `urgency` sorts jobs, the most urgent first.
    `kept` are latents of its way by their step, of which it took all but the first `skipped_steps` itself.
    """

    __slots__ = (
        "emit", "is_cancelled", "is_draining", "job", "job_id", "kept", "key", "order", "pipeline", "skipped_steps",
        "state", "tally", "urgency",
    )  # fmt: skip

    def __init__(self, *, order: Order, emit: Emit) -> None:
        self.order = order
        self.emit = emit
        self.job = order.job
        self.job_id = order.job.job_id
        self.key = order.job.spec.batch_key
        self.urgency = order.job.urgency
        self.pipeline: StepPipeline | None = None
        self.state: SampleState | None = None
        self.tally = Tally()
        self.kept: dict[int, torch.Tensor] = {}
        self.skipped_steps = 0
        self.is_draining = False
        self.is_cancelled = False

    @property
    def has_begun(self) -> bool:
        """Whether it has latents."""
        return self.state is not None

    @property
    def has_stepped(self) -> bool:
        """Whether it has taken its first step."""
        return self.tally.pictures > 0

    @property
    def is_denoised(self) -> bool:
        """Whether all its steps are done."""
        return self.state is not None and self.state.steps_left == 0

    def keep_latents(self) -> None:
        """Keep those of now, where they were asked for and say where to go on."""
        state = self.state
        if state is not None and state.is_its_latents and state.step in self.job.latents.kept_steps:
            self.kept[state.step] = state.latents.cpu()

    @property
    def candidate(self) -> Candidate:
        """What the choice of the next step needs to know."""
        steps_left = self.job.spec.steps if self.state is None else self.state.steps_left
        return Candidate(key=self.key, urgency=self.urgency, deadline_s=self.job.deadline_s, steps_left=steps_left)


def cancelled(job: Job) -> JobFailed:
    """The event that ends a cancelled job."""
    return JobFailed(job_id=job.job_id, error=JobCancelledError("the request was cancelled"))


def failed(job: Job, error: Exception) -> JobFailed:
    """The event that ends a failed job; what its caller cannot have caused goes to the log, not to the caller."""
    if isinstance(error, DarkroomError) and not isinstance(error, ConfigurationError):
        return JobFailed(job_id=job.job_id, error=error)
    logger.error("job %s failed", job.job_id, exc_info=error)
    return JobFailed(job_id=job.job_id, error=GenerationFailedError("the picture could not be made"))
