"""The engine's loop over a scripted pipeline, ticked by the test in its own thread, with everything it touches."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from fakes import FakeClock, Recorder, make_job
from scripted_pipeline import ScriptedPipeline

from app.generation import EngineEvent, Job
from app.inference.engine.artist import Artist
from app.inference.engine.costs import CostModel
from app.inference.engine.jobs import Drawing, EngineJob, Order
from app.inference.engine.loop import StepLoop
from app.inference.engine.memory import MemoryState
from app.inference.engine.variant import EngineVariant, always

Result = TypeVar("Result")


class FakeMemory:
    """A device whose free bytes, and the need of whose steps, the test decides."""

    def __init__(self, free: int = 10**12, needs: int | None = None) -> None:
        self.free_bytes = free
        self.needs = needs
        self.trims = 0
        self.error: Exception | None = None

    def state(self) -> MemoryState:
        """As the test set it."""
        return MemoryState(allocated=60, reserved=80, free=self.free())

    def free(self) -> int:
        """As the test set it; raises `error` when there is one."""
        if self.error is not None:
            raise self.error
        return self.free_bytes

    def peak(self, work: Callable[[], Result]) -> tuple[Result, int | None]:
        """The work's result, and the need that the test decided."""
        return work(), self.needs

    def rehearse(self, work: Callable[[], Result]) -> tuple[Result, int]:
        """Likewise."""
        return work(), self.needs or 0

    def trim(self) -> None:
        """Counted."""
        self.trims += 1


class LoopBench:
    """A loop over a scripted variant, `sketch`, whose steps take `step_s` however many share them.

    `other` is the same, in a memory of its own that has room for it when `has_room` says so.
    """

    def __init__(
        self,
        before_step: Callable[[list[int]], object] = lambda seeds: None,
        *,
        max_batch: int = 4,
        step_s: float = 1.0,
        memory: FakeMemory | None = None,
        has_room: Callable[[], bool] = always,
    ) -> None:
        self.clock, self.recorder, self.memory = FakeClock(), Recorder(), memory or FakeMemory()
        self.pipeline = ScriptedPipeline(self._before_step)
        self.costs = CostModel()
        self._script = before_step
        self._step_s = step_s
        self.events: list[EngineEvent | Drawing] = []
        variant = EngineVariant(pipeline=self._pipeline, costs=self.costs, batch_sizes=tuple(range(1, max_batch + 1)))
        variants = {"sketch": variant, "other": replace(variant, has_room=has_room)}
        artist = Artist(
            variants, memory=self.memory, replica="r1", observe=self.recorder, clock=self.clock, effort=self.clock
        )
        self.loop = StepLoop(artist, variants, memory=self.memory, observe=self.recorder, clock=self.clock)

    def add(self, *jobs: Job) -> list[EngineJob]:
        """Let jobs arrive."""
        works = [EngineJob(order=Order(job=job), emit=self.events.append) for job in jobs]
        for work in works:
            self.loop.add(work)
        return works

    def add_seeds(self, seeds: Sequence[int], **changes: Any) -> list[EngineJob]:
        """Let jobs arrive that differ in their seed; the lower the seed, the earlier they came."""
        return self.add(*(make_job(str(seed), seed=seed, arrival_s=float(seed), **changes) for seed in seeds))

    def step(self) -> None:
        """Tick until a batch has taken one more step."""
        taken = len(self.pipeline.batches)
        while len(self.pipeline.batches) == taken:
            self.loop.tick()

    def run(self) -> list[EngineEvent | Drawing]:
        """Tick until nothing is left; everything that was told."""
        while len(self.loop):
            self.loop.tick()
        return self.events

    def of(self, kind: type[Any]) -> dict[str, Any]:
        """What was told of one kind, by job."""
        return {_job_id(event): event for event in self.events if isinstance(event, kind)}

    def _before_step(self, seeds: list[int]) -> None:
        self._script(seeds)
        self.clock.now_s += self._step_s

    def _pipeline(self) -> ScriptedPipeline:
        return self.pipeline


def _job_id(event: EngineEvent | Drawing) -> str:
    return event.job.job_id if isinstance(event, Drawing) else event.job_id
