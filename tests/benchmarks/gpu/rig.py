"""What phases measure with: the model, a clock that waits for the device, and the engine over the model."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

import torch
from benchmarks.gpu.architecture import WordlessFlux
from benchmarks.gpu.budget import Budget
from benchmarks.gpu.mixes import VARIANT
from benchmarks.gpu.roofline import Rates, Work, count_work
from benchmarks.gpu.scale import Scale
from diffusers import FluxPipeline
from fakes import MemoryBlobStore, Recorder, make_job, settle

from app.generation import EngineEvent, Job, JobDrawn, JobFailed, PictureSpec
from app.inference.engine.costs import CostModel
from app.inference.engine.front import StepEngine
from app.inference.engine.memory import DeviceMemory, memory_of
from app.inference.engine.variant import EngineVariant
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.storage import keys
from app.telemetry.events import BatchSplit, StepDone

# An epoch time that no job will see.
NEVER_S = 1e10


@dataclass
class Rig:
    """The model on its device, and what phases leave for those after them."""

    scale: Scale
    budget: Budget
    parts: FluxPipeline
    unweighted: FluxPipeline
    rates: Rates
    costs: CostModel = field(default_factory=CostModel)
    quantization: str = "none"
    _work: dict[tuple[int, int], Work] = field(default_factory=dict)

    @cached_property
    def memory(self) -> DeviceMemory:
        """The memory of the device."""
        return memory_of(self.scale.device.type)

    def pipeline(self, tokens: int | None = None) -> WordlessFlux:
        """The model, with prompts of so many tokens."""
        return WordlessFlux(self.parts, tokens or self.scale.tokens[0])

    def work(self, side: int, tokens: int | None = None) -> Work:
        """The arithmetic of a picture, counted once."""
        case = side, tokens or self.scale.tokens[0]
        if case not in self._work:
            self._work[case] = count_work(self.unweighted, side=case[0], tokens=case[1])
        return self._work[case]

    def seconds(self, work: Callable[[], object]) -> float:
        """How long the work takes, with all that it leaves to the device."""
        return seconds_of(work, self.scale.device)

    def median_s(self, work: Callable[[], object], repeats: int | None = None) -> float:
        """The median of so many repeats, or of the usual number, after one that is not counted."""
        work()
        return median(self.seconds(work) for _ in range(repeats or self.scale.repeats))


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """How long the work takes on a device that had nothing else to do."""
    synchronize(device)
    started_s = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - started_s


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def job_of(
    number: int, side: int, *, steps: int, prompt: str = "a picture", deadline_s: float = NEVER_S, **more: Any
) -> Job:
    """A job of a square picture, whose number is its seed and its rank among equal deadlines; `more` is told too."""
    return make_job(
        f"{number:06}", variant=VARIANT, prompt=prompt, seed=number, steps=steps, width=side, height=side,
        native_width=side, native_height=side, arrival_s=0.0, deadline_s=deadline_s, **more,
    )  # fmt: skip


def first_states(pipeline: StepPipeline, side: int, *, count: int, steps: int) -> list[SampleState]:
    """So many pictures before their first steps."""
    specs: list[PictureSpec] = [job_of(number, side, steps=steps).spec for number in range(count)]
    embedding = pipeline.encode(specs[0])
    return [pipeline.prepare(spec, embedding, None) for spec in specs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the engine did with jobs that came together; seconds are those of the caller."""

    seconds: float
    drawn: tuple[JobDrawn, ...]
    failed: tuple[JobFailed, ...]
    steps: tuple[StepDone, ...]
    splits: tuple[BatchSplit, ...]

    @property
    def step_s(self) -> float:
        """Seconds of all its steps together."""
        return sum(step.ended_s - step.started_s for step in self.steps)

    @property
    def batches(self) -> list[int]:
        """The size of the batch of each step, in their order."""
        return [len(step.job_ids) for step in self.steps]


class Harness:
    """An engine, and all that it tells."""

    def __init__(self, pipeline: StepPipeline, *, costs: CostModel, sizes: Sequence[int], memory: DeviceMemory) -> None:
        self.recorder = Recorder()
        variant = EngineVariant(pipeline=lambda: pipeline, costs=costs, batch_sizes=tuple(sizes))
        self.engine = StepEngine(
            {VARIANT: variant}, blobs=MemoryBlobStore(), keys=keys, replica="gpu", memory=memory,
            observer=self.recorder,
        )  # fmt: skip

    async def run(self, jobs: Sequence[Job]) -> Run:
        """Draw the jobs, with nobody else there; several are all there before the first begins."""
        self.recorder.events.clear()
        gate = threading.Event()
        held = asyncio.create_task(self.engine.call(gate.wait))
        drawing = asyncio.create_task(self._events(jobs))
        await settle()
        started_s = time.perf_counter()
        gate.set()
        events = await drawing
        seconds = time.perf_counter() - started_s
        await held
        return Run(
            seconds=seconds,
            drawn=tuple(event for event in events if isinstance(event, JobDrawn)),
            failed=tuple(event for event in events if isinstance(event, JobFailed)),
            steps=tuple(self.recorder.of(StepDone)),
            splits=tuple(self.recorder.of(BatchSplit)),
        )

    async def _events(self, jobs: Sequence[Job]) -> list[EngineEvent]:
        return [event async for event in self.engine.run(jobs)]


@asynccontextmanager
async def engine_over(
    pipeline: StepPipeline, *, memory: DeviceMemory, costs: CostModel | None = None, sizes: Sequence[int] = (1,)
) -> AsyncIterator[Harness]:
    """An engine that has let go of the device when it is left; without costs it learns as it goes."""
    harness = Harness(pipeline, costs=costs or CostModel(), sizes=sizes, memory=memory)
    try:
        yield harness
        await harness.engine.call(lambda: None)  # the step under way is over
    finally:
        harness.engine.close()
