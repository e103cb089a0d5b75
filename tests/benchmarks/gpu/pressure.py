"""The engine under pressure: somebody in a hurry behind a full batch, and a device without memory."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from itertools import groupby
from statistics import median

import torch
from benchmarks.gpu.batching import rehearse
from benchmarks.gpu.mixes import Unmeasured
from benchmarks.gpu.rig import Harness, Rig, Run, engine_over, first_states, job_of
from benchmarks.gpu.scale import BATCHES
from benchmarks.gpu.sheets import Cell, Sheet

from app.errors import ConfigurationError
from app.generation import Job, JobDrawn, JobStarted, JobStep
from app.inference.engine.costs import CostModel, Shape
from app.inference.engine.memory import MemoryState
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.pipelines.wrapping import WrappedPipeline
from app.telemetry.events import StepDone

FULL = BATCHES[-1]
_LONG_STEPS = 1000
_HURRY_S = 5.0
_STEPS_BEFORE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Seconds from the arrival of a job in a hurry until it began and until its picture was there."""

    started_s: float
    drawn_s: float


def preemption(rig: Rig) -> Iterator[Sheet]:
    """How long somebody in a hurry waits behind eight long jobs that fill the batch."""
    rows: list[list[Cell]] = []
    for side, times in zip((rig.scale.small, rig.scale.large), rig.scale.probes, strict=True):
        probes, step_s = asyncio.run(_hurry(rig, side, times))
        waits = [probe.started_s / step_s for probe in probes]
        drawn = median(probe.drawn_s for probe in probes)
        rows.append([f"{side} x {side}", times, 1000 * step_s, median(waits), max(waits), 1000 * drawn])
    yield Sheet(
        title=f"A job in a hurry behind a full batch of {FULL} long ones (median)",
        columns=(
            "picture", "times", "a step of the batch, ms", "until it began, steps", "at most, steps",
            "until its picture, ms",
        ),
        rows=rows,
        notes=(f"It arrives at a random moment of a step and takes {rig.scale.steps} steps in the full batch.",),
    )  # fmt: skip


async def _hurry(rig: Rig, side: int, times: int) -> tuple[list[Probe], float]:
    chance = random.Random(0)
    patient = [job_of(number, side, steps=_LONG_STEPS, report_steps=number == 0) for number in range(FULL)]
    async with engine_over(rig.pipeline(), memory=rig.memory, costs=Unmeasured(), sizes=BATCHES) as harness:
        async with aclosing(harness.engine.run(patient)) as events:
            async for event in events:
                if isinstance(event, JobStep) and event.step == _STEPS_BEFORE:
                    break
            step_s = _full_step_s(harness)
            probes = []
            for number in range(FULL, FULL + times):
                await asyncio.sleep(chance.random() * step_s)
                probes.append(await _probe(harness, number, side, steps=rig.scale.steps))
        return probes, _full_step_s(harness)


def _full_step_s(harness: Harness) -> float:
    full = [step for step in harness.recorder.of(StepDone) if len(step.job_ids) == FULL]
    return median(step.ended_s - step.started_s for step in full)


async def _probe(harness: Harness, number: int, side: int, *, steps: int) -> Probe:
    job = job_of(number, side, steps=steps, deadline_s=time.time() + _HURRY_S)
    at: dict[type, float] = {}
    arrived_s = time.perf_counter()
    async for event in harness.engine.run((job,)):
        at[type(event)] = time.perf_counter() - arrived_s
    return Probe(started_s=at[JobStarted], drawn_s=at[JobDrawn])


def out_of_memory(rig: Rig) -> Iterator[Sheet]:
    """Eight jobs on a device with memory for a batch of four, by an engine that does not know and by one that does."""
    side = rig.scale.large
    rehearse(rig, (side,))
    rows = [_memory_row("before", None, rig.memory.state())]
    with short_of_memory(rig, side) as pipeline:
        rows.append(_memory_row("memory taken away", None, rig.memory.state()))
        for name, costs in _knowledge(rig.costs).items():
            run = asyncio.run(_draw(rig, pipeline, costs))
            rows.append(_memory_row(name, run, rig.memory.state()))
    rig.memory.trim()
    rows.append(_memory_row("memory given back", None, rig.memory.state()))
    yield Sheet(
        title=f"{FULL} jobs of {side} x {side} where a batch of {FULL} does not fit into memory",
        columns=(
            "engine", "drawn", "failed", "splits", "batches of its steps", "allocated, GB", "reserved, GB", "free, GB",
            "fragmentation, %",
        ),
        rows=rows,
        notes=() if rig.scale.device.type == "cuda" else ("On a CPU the shortage is played: steps of five fail.",),
    )  # fmt: skip


def _knowledge(costs: CostModel) -> dict[str, CostModel]:
    learnt = costs.to_json()
    return {
        "all it can, needs unknown": Unmeasured(),
        "all it can, needs known": Unmeasured.of(learnt),
        "by its policy": CostModel.of(learnt),
    }


async def _draw(rig: Rig, pipeline: StepPipeline, costs: CostModel) -> Run:
    jobs: list[Job] = [job_of(number, rig.scale.large, steps=rig.scale.steps) for number in range(FULL)]
    async with engine_over(pipeline, memory=rig.memory, costs=costs, sizes=BATCHES) as harness:
        return await harness.run(jobs)


def _memory_row(name: str, run: Run | None, state: MemoryState) -> list[Cell]:
    drawn: list[Cell] = [None] * 4
    if run is not None:
        drawn = [len(run.drawn), len(run.failed), len(run.splits), runs_of(run.batches)]
    gigabytes = [part / 1e9 for part in (state.allocated, state.reserved, state.free)]
    return [name, *drawn, *gigabytes, 100 * state.fragmentation]


def runs_of(batches: Sequence[int]) -> str:
    """The sizes in their order, with how often each came in a row."""
    return ", ".join(f"{len(list(alike))} x {size}" for size, alike in groupby(batches))


@contextmanager
def short_of_memory(rig: Rig, side: int) -> Iterator[StepPipeline]:
    """Inside, a batch of eight does not fit into memory and one of four does; gives the pipeline to draw with.

    Raises ConfigurationError where that cannot be had.
    """
    pipeline = rig.pipeline()
    if rig.scale.device.type != "cuda":
        yield Cramped(pipeline, most=FULL // 2)
        return
    room = _room(rig, side)
    rig.memory.trim()
    ballast = torch.empty(rig.memory.free() - room, dtype=torch.uint8, device=rig.scale.device)
    try:
        yield pipeline
    finally:
        del ballast
        rig.memory.trim()


def _room(rig: Rig, side: int) -> int:
    """Bytes between what four pictures need and what eight do."""
    half, full = (rig.costs.bytes(Shape("step", side, side), batch) for batch in (FULL // 2, FULL))
    if half is None or full is None or full <= half:
        raise ConfigurationError(
            f"what a step needs is not known: {half} bytes for half a batch, {full} for a full one"
        )
    pipeline = rig.pipeline()
    (state,) = first_states(pipeline, side, count=1, steps=1)
    _, decoding = rig.memory.rehearse(lambda: pipeline.decode(state))
    room = max((half + full) / 2, 1.1 * decoding)
    if room >= full:
        raise ConfigurationError(f"decoding needs {decoding / 1e9:.1f} GB, as much as a batch of {FULL}")
    return int(room)


class Cramped(WrappedPipeline):
    """A pipeline that has memory for so many pictures in a step, and no more."""

    def __init__(self, inner: StepPipeline, *, most: int) -> None:
        super().__init__(inner)
        self._most = most

    def step(self, states: Sequence[SampleState]) -> list[SampleState]:
        """Each state after one more step; raises OutOfMemoryError."""
        if len(states) > self._most:
            raise torch.OutOfMemoryError(f"no memory for {len(states)} pictures")
        return self.inner.step(states)
