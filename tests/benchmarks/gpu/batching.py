"""Batches: what steps of each size take, and whether the engine's policy forms those that draw most."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.gpu.mixes import VARIANT, Comparison, StepTimes, Way, compare, denoise_s, mixes, policy_limits, ways
from benchmarks.gpu.rig import Rig, Run, engine_over, first_states, job_of
from benchmarks.gpu.roofline import fraction
from benchmarks.gpu.scale import BATCHES
from benchmarks.gpu.sheets import Cell, Sheet

from app.inference.engine.costs import Shape
from app.inference.engine.warming import Rehearsal

GOAL = 0.03
_REPEATS = 3
_RUN_MIXES = (0, 4)


def batching(rig: Rig) -> Iterator[Sheet]:
    """Steps by batch size, then policies by mix, computed and really run."""
    rehearse(rig, rig.scale.sides)
    times = {side: _step_times(rig, side) for side in rig.scale.sides}
    yield _steps_sheet(rig, times)
    yield _bytes_sheet(rig)
    compared = [
        compare(mix, rig.costs, times, count=rig.scale.jobs, steps=rig.scale.steps) for mix in mixes(*rig.scale.sides)
    ]
    yield _policies_sheet(rig, compared)
    yield _runs_sheet(rig, [compared[place] for place in _RUN_MIXES], times)


def rehearse(rig: Rig, sides: tuple[int, ...]) -> None:
    """Measure for the engine what it measures itself before it serves."""
    clock = time.perf_counter
    rehearsal = Rehearsal(
        rig.pipeline(), variant=VARIANT, costs=rig.costs, memory=rig.memory, clock=clock, effort=clock
    )
    for side in sides:
        if not rig.costs.knows(Shape("step", side, side), BATCHES[-1]):
            rehearsal.perform((side, side), BATCHES)


def _step_times(rig: Rig, side: int) -> dict[int, float]:
    pipeline = rig.pipeline()
    states = first_states(pipeline, side, count=BATCHES[-1], steps=rig.scale.steps)
    times = {}
    for batch in BATCHES:
        times[batch] = rig.median_s(lambda: pipeline.step(states[:batch]), _REPEATS)  # noqa: B023 # called at once
    return times


def _steps_sheet(rig: Rig, times: StepTimes) -> Sheet:
    rows: list[list[Cell]] = []
    for side, by_batch in times.items():
        for batch, seconds in by_batch.items():
            expected = rig.costs.seconds(Shape("step", side, side), batch)
            off = None if expected is None else 100 * (expected / seconds - 1)
            reached = fraction(batch * rig.work(side).step / rig.rates.bf16, seconds)
            rows.append([f"{side} x {side}", batch, 1000 * seconds, batch * by_batch[1] / seconds, reached, off])
    return Sheet(
        title="One step by batch size (median)",
        columns=("picture", "batch", "ms", "pictures a second over batch 1", "floor/measured", "cost model off by, %"),
        rows=rows,
        notes=("The cost model measured every batch size on its own, before and during these steps.",),
    )


def _bytes_sheet(rig: Rig) -> Sheet:
    needed = {
        side: [rig.costs.bytes(Shape("step", side, side), batch) for batch in BATCHES] for side in rig.scale.sides
    }
    state = rig.memory.state()
    return Sheet(
        title="Memory of a step beyond the weights, GB, by batch size (cost model)",
        columns=("picture", *map(str, BATCHES)),
        rows=[
            [f"{side} x {side}", *(None if each is None else each / 1e9 for each in by_batch)]
            for side, by_batch in needed.items()
        ],
        notes=(
            f"Allocated {state.allocated / 1e9:.1f} GB, reserved {state.reserved / 1e9:.1f} GB by the allocator.",
            f"Free {state.free / 1e9:.1f} GB; fragmentation {state.fragmentation:.1%}.",
        ),
    )


def _policies_sheet(rig: Rig, compared: list[Comparison]) -> Sheet:
    rows: list[list[Cell]] = []
    for each in compared:
        losses = [100 * each.loss, 100 * each.informed_loss]
        rows.append([each.mix.name, each.policy, each.informed, each.best_batch, *losses, *each.fixed.values()])
    return Sheet(
        title=f"Pictures per second of denoising, {rig.scale.jobs} jobs that are all there (computed from step times)",
        columns=(
            "mix", "policy", "informed", "best fixed", "policy loses, %", "informed loses, %",
            *(f"fixed {batch}" for batch in BATCHES),
        ),
        rows=rows,
        notes=(
            "The policy decides by what the engine measures before it serves, the informed one by these step times.",
            _verdict("policy", {each.mix.name: each.loss for each in compared}),
            _verdict("informed policy", {each.mix.name: each.informed_loss for each in compared}),
        ),
    )  # fmt: skip


def _verdict(who: str, losses: Mapping[str, float]) -> str:
    worst = max(losses, key=lambda name: losses[name])
    state = "reached" if losses[worst] <= GOAL else "MISSED"
    return f"Worst loss of the {who}: {losses[worst]:.1%}, with {worst}. Goal, at most {GOAL:.0%}: {state}."


def _runs_sheet(rig: Rig, compared: list[Comparison], times: StepTimes) -> Sheet:
    rows: list[list[Cell]] = []
    for each in compared:
        for way in ways(each, rig.costs):
            refusal = rig.budget.refusal(20 * rig.scale.slowness)
            found = _run_cells(rig, each, way, times) if refusal is None else [refusal, *[None] * 4]
            rows.append([each.mix.name, way.name, *found])
    return Sheet(
        title=f"{rig.scale.real_jobs} jobs really run through the engine, pictures per second",
        columns=("mix", "batches", "denoised", "denoised, computed", "in all", "mean batch", "drawn"),
        rows=rows,
        notes=("In all: with decoding, which follows each picture's last step, and PNG.",),
    )


def _run_cells(rig: Rig, compared: Comparison, way: Way, times: StepTimes) -> list[Cell]:
    sides, steps = compared.mix.sides(rig.scale.real_jobs), rig.scale.steps
    computed_s = denoise_s(sides, policy_limits(way.costs, way.most), times, steps=steps)
    run = asyncio.run(_run(rig, sides, way))
    count, mean = len(run.drawn), sum(run.batches) / len(run.batches)
    return [count / run.step_s, len(sides) / computed_s, count / run.seconds, mean, count]


async def _run(rig: Rig, sides: Sequence[int], way: Way) -> Run:
    jobs = [job_of(number, side, steps=rig.scale.steps) for number, side in enumerate(sides)]
    sizes = range(1, way.most + 1)
    async with engine_over(rig.pipeline(), memory=rig.memory, costs=way.costs, sizes=sizes) as harness:
        return await harness.run(jobs)
