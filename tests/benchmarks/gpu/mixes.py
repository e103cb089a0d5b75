"""Which batches are worth forming: the engine's policy beside every fixed batch size, on the same step times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.gpu.scale import BATCHES

from app.generation import BatchKey
from app.inference.engine.costs import CostModel, Shape, step_of
from app.inference.engine.selection import Candidate, Limits, choose

VARIANT = "flux"

StepTimes = Mapping[int, Mapping[int, float]]
"""Seconds of a step, by side and batch size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Jobs of several sides; the shares of the sides add up to one."""

    name: str
    shares: Mapping[int, float]

    def sides(self, count: int) -> list[int]:
        """The sides of so many jobs, mingled as evenly as the shares allow."""
        given = dict.fromkeys(self.shares, 0)
        mingled = []
        for position in range(1, count + 1):
            latest = max(self.shares, key=lambda side: self.shares[side] * position - given[side])
            given[latest] += 1
            mingled.append(latest)
        return mingled


def mixes(small: int, middle: int, large: int) -> tuple[Mix, ...]:
    """The mixes on which policies are compared."""
    third = 1 / 3
    return (
        Mix(name=f"only {small}", shares={small: 1.0}),
        Mix(name=f"only {middle}", shares={middle: 1.0}),
        Mix(name=f"only {large}", shares={large: 1.0}),
        Mix(name=f"{small}, {middle}, {large} equally", shares={small: third, middle: third, large: third}),
        Mix(name=f"80 % {small}, 20 % {large}", shares={small: 0.8, large: 0.2}),
        Mix(name=f"20 % {small}, 80 % {large}", shares={small: 0.2, large: 0.8}),
    )


class Unmeasured(CostModel):
    """Costs that never tell what a step takes, so that the largest batch that may be formed is."""

    def effort(self, shape: object, batch: int) -> float | None:
        """Nothing is known."""
        return None


def policy_limits(costs: CostModel, most: int = BATCHES[-1]) -> Limits:
    """What the engine lets its policy know when there is memory enough."""
    return Limits(
        step_s=lambda key, size: costs.seconds(step_of(key), size),
        effort_s=lambda key, size: costs.effort(step_of(key), size),
        most=lambda key: most,
        sizes=lambda key: range(1, most + 1),
        is_stale=lambda key, size: False,
    )


def fixed_limits(batch: int) -> Limits:
    """With these the policy steps `batch` pictures together, or all that there are."""
    return policy_limits(Unmeasured(), batch)


def denoise_s(sides: Sequence[int], limits: Limits, times: StepTimes, *, steps: int) -> float:
    """How long the steps of these jobs take when all are there from the beginning and none is more urgent."""
    waiting = [_candidate(number, side, steps) for number, side in enumerate(sides)]
    seconds = 0.0
    while waiting:
        chosen = set(choose(waiting, limits, now_s=0.0))
        seconds += times[waiting[min(chosen)].key.width][len(chosen)]
        moved = [_stepped(each) if place in chosen else each for place, each in enumerate(waiting)]
        waiting = [each for each in moved if each.steps_left]
    return seconds


def _candidate(number: int, side: int, steps: int) -> Candidate:
    key = BatchKey(VARIANT, side, side)
    return Candidate(key=key, urgency=(0.0, 0.0, f"{number:06}"), deadline_s=math.inf, steps_left=steps)


def _stepped(candidate: Candidate) -> Candidate:
    return replace(candidate, steps_left=candidate.steps_left - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Pictures per second of denoising: for the policy, for the policy on exact costs, for fixed batches by size."""

    mix: Mix
    policy: float
    informed: float
    fixed: Mapping[int, float]

    @property
    def best_batch(self) -> int:
        """The fixed batch that draws most; the smaller of equals."""
        return max(self.fixed, key=lambda batch: (self.fixed[batch], -batch))

    @property
    def loss(self) -> float:
        """By which share the policy draws less than the best fixed batch; negative when it draws more."""
        return 1 - self.policy / self.fixed[self.best_batch]

    @property
    def informed_loss(self) -> float:
        """The same of the policy on exact costs."""
        return 1 - self.informed / self.fixed[self.best_batch]


def compare(mix: Mix, costs: CostModel, times: StepTimes, *, count: int, steps: int) -> Comparison:
    """The policy by its own costs and by exact ones, and every fixed batch, when steps take these times."""
    sides = mix.sides(count)

    def rate(limits: Limits) -> float:
        return count / denoise_s(sides, limits, times, steps=steps)

    fixed = {batch: rate(fixed_limits(batch)) for batch in BATCHES}
    return Comparison(
        mix=mix, policy=rate(policy_limits(costs)), informed=rate(policy_limits(exact_costs(times))), fixed=fixed
    )


def exact_costs(times: StepTimes) -> CostModel:
    """A cost model that has seen these times and no others."""
    costs = CostModel()
    for side, by_batch in times.items():
        for batch, seconds in by_batch.items():
            costs.observe(Shape("step", side, side), batch, seconds)
            costs.observe_effort(Shape("step", side, side), batch, seconds)
    return costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the engine forms batches: by the costs that it starts with, and of `most` pictures at most."""

    name: str
    costs: CostModel
    most: int


def ways(compared: Comparison, costs: CostModel) -> list[Way]:
    """The policy, no batches, the best fixed batch, and the largest."""
    fixed = sorted({1, compared.best_batch, BATCHES[-1]})
    learnt = CostModel.of(costs.to_json())  # which goes on learning by itself
    return [
        Way(name="policy", costs=learnt, most=BATCHES[-1]),
        *(Way(name=f"fixed {batch}", costs=Unmeasured(), most=batch) for batch in fixed),
    ]
