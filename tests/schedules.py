"""Random schedules for the engine: what arrives when, what is cancelled, where memory runs out."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from fakes import Recorder, make_job
from tiny_flux import SEQUENCE_LENGTH, tiny_flux

from app.generation import Job, JobFailed
from app.inference.determinism import make_batch_invariant
from app.inference.engine.artist import Artist
from app.inference.engine.costs import CostModel
from app.inference.engine.jobs import Drawing, EngineJob, Order
from app.inference.engine.loop import StepLoop
from app.inference.engine.memory import HostMemory
from app.inference.engine.variant import EngineVariant
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState
from app.inference.pipelines.flux import FluxStepPipeline

SIZES = ((32, 32), (32, 24))
PROMPTS = ("red circle", "blue square")
STEPS = (1, 2, 3, 5)
SEEDS = range(6)
MAX_BATCH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A job that arrives before tick `at`, and leaves before tick `cancelled_at` where that is set."""

    at: int
    job: Job
    cancelled_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Acts, and the numbers of the steps at which the device says that it has no memory."""

    acts: tuple[Act, ...]
    shortages: frozenset[int] = frozenset()


def random_schedule(chance: random.Random, *, most_jobs: int = 10) -> Schedule:
    """Up to so many jobs of all shapes, lengths and urgencies within a few ticks of each other."""
    count = chance.randint(1, most_jobs)
    acts = tuple(_random_act(chance, number) for number in range(count))
    shortages = frozenset(chance.randrange(30) for _ in range(chance.choice((0, 0, 0, 1, 3))))
    return Schedule(acts=acts, shortages=shortages)


def _random_act(chance: random.Random, number: int) -> Act:
    width, height = chance.choice(SIZES)
    at = chance.randrange(12)
    previews = chance.random() < 0.3
    job = make_job(
        f"job-{number}", seed=chance.choice(SEEDS), prompt=chance.choice(PROMPTS), steps=chance.choice(STEPS),
        width=width, height=height, native_width=width, native_height=height,
        deadline_s=1000.0 + chance.choice((10, 60, 3600)), arrival_s=1000.0 + at, report_steps=previews,
        previews=previews,
    )  # fmt: skip
    return Act(at=at, job=job, cancelled_at=at + chance.randrange(8) if chance.random() < 0.2 else None)


class ShortOfMemory(FluxStepPipeline):
    """The tiny FLUX, whose device says at some steps that it has no memory for more than one picture."""

    def __init__(self, pipeline: FluxStepPipeline) -> None:
        self.__dict__.update(pipeline.__dict__)
        self.shortages: frozenset[int] = frozenset()
        self.taken = 0

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """One more step, unless it is one of those that fail."""
        self.taken += 1
        if self.taken in self.shortages and len(states) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return super().step(states)


@cache
def tiny_pipeline() -> FluxStepPipeline:
    """The tiny FLUX, batch-invariant."""
    parts = tiny_flux()
    make_batch_invariant(parts.transformer)
    return FluxStepPipeline(parts, Manifest(max_sequence_length=SEQUENCE_LENGTH))


@cache
def drawn_alone(seed: int, prompt: str, steps: int, size: tuple[int, int]) -> bytes:
    """The picture's bytes when nobody else is there, computed without the engine."""
    width, height = size
    spec = make_job(
        "alone", seed=seed, prompt=prompt, steps=steps, width=width, height=height, native_width=width,
        native_height=height,
    ).spec  # fmt: skip
    pipeline = tiny_pipeline()
    state = pipeline.prepare(spec, pipeline.encode(spec), None)
    while state.steps_left:
        (state,) = pipeline.step([state])
    return pipeline.decode(state).tobytes()


def expected(job: Job) -> bytes:
    """What the job's picture has to be."""
    spec = job.spec
    return drawn_alone(spec.seed, spec.prompt, spec.steps, spec.batch_key.size)


class Stage:
    """The engine's loop over the tiny pipeline, ticked in this thread; `ends` is how each job ended, by id.

    The clock jumps by lot, so that the cost model believes in any step time and every batch size is formed.
    """

    def __init__(self, chance: random.Random, *, shortages: frozenset[int] = frozenset()) -> None:
        pipeline = ShortOfMemory(tiny_pipeline())
        pipeline.shortages = shortages
        sizes = tuple(range(1, MAX_BATCH + 1))
        variants = {"sketch": EngineVariant(pipeline=lambda: pipeline, costs=CostModel(), batch_sizes=sizes)}
        self.recorder, self.memory, self.ends = Recorder(), HostMemory(), dict[str, bytes | JobFailed]()

        def clock() -> float:
            return 1000.0 + chance.random() * 20

        artist = Artist(variants, memory=self.memory, replica="r", observe=self.recorder, clock=clock, effort=clock)
        self.loop = StepLoop(artist, variants, memory=self.memory, observe=self.recorder, clock=clock)

    def add(self, job: Job) -> EngineJob:
        """Let a job arrive."""
        work = EngineJob(order=Order(job=job), emit=self._hear)
        self.loop.add(work)
        return work

    def run(self) -> None:
        """Tick until nothing is left; raises RuntimeError when that does not happen."""
        for _ in range(1000):
            if not len(self.loop):
                return
            self.loop.tick()
        raise RuntimeError(f"{len(self.loop)} jobs are left after a thousand ticks")

    def _hear(self, event: object) -> None:
        if isinstance(event, Drawing):
            self._end(event.job.job_id, event.pixels.tobytes())
        elif isinstance(event, JobFailed):
            self._end(event.job_id, event)

    def _end(self, job_id: str, end: bytes | JobFailed) -> None:
        if job_id in self.ends:
            raise RuntimeError(f"{job_id} ended twice")
        self.ends[job_id] = end


def play(schedule: Schedule, chance: random.Random) -> dict[str, bytes | JobFailed]:
    """How each job ended, its bytes or its failure; raises RuntimeError when the loop does not come to an end."""
    stage, works = Stage(chance, shortages=schedule.shortages), dict[str, EngineJob]()
    for tick in range(1 + max(max(act.at, act.cancelled_at or 0) for act in schedule.acts)):
        for act in schedule.acts:
            if act.at == tick:
                works[act.job.job_id] = stage.add(act.job)
            if act.cancelled_at == tick:
                works[act.job.job_id].is_cancelled = True
        stage.loop.tick()
    stage.run()
    return stage.ends
