"""Which setting suits this load: every candidate is replayed on the arrivals as they come, in a fluid model.

Nothing is assumed about what the load is like. A smooth one is served with few replicas in reserve, a bursty one with
many, because that is what would have kept the objective at the least cost over the last day.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from app.autoscaling.curve import BatchCurve
from app.autoscaling.hold import LONGEST_S
from app.autoscaling.measure import SPAN_S, STEP_S, ArrivalWindow
from app.autoscaling.setting import CANDIDATES, DEFAULT, Setting
from app.autoscaling.trend import LONG_WINDOWS

Numbers = NDArray[np.float64]

MEMORY_S = 86_400.0
EVIDENCE_S = 3600.0
CHOICE_STEPS = 12
WORTH_A_CHANGE = 0.01
_HOLD_EVERY = 3
_ROWS = LONGEST_S // STEP_S


@dataclass(frozen=True, slots=True, kw_only=True)
class FluidModel:
    """A deployment as a fluid: replicas that appear after a cold start and serve at a constant rate."""

    throughput_per_s: float
    drain_s: float
    cold_start_s: float
    patience_s: float
    min_replicas: int
    max_replicas: int
    late_share: float

    @classmethod
    def of(
        cls, curve: BatchCurve, *, objective_s: float, cold_start_s: float, replicas: tuple[int, int], late_share: float
    ) -> Self:
        """The fluid of a batch curve; nobody is taken to wait longer than six objectives."""
        return cls(
            throughput_per_s=curve.throughput_per_s(objective_s), drain_s=curve.drain_s(objective_s),
            cold_start_s=cold_start_s, patience_s=6 * objective_s, min_replicas=replicas[0], max_replicas=replicas[1],
            late_share=late_share,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Columns:
    """The candidates, one number of each per column."""

    windows_s: tuple[int, ...]
    window: NDArray[np.int64]
    gain: Numbers
    deviations: Numbers
    burst: NDArray[np.bool_]
    holds: tuple[tuple[int | None, NDArray[np.int64]], ...]

    @classmethod
    def of(cls, candidates: Sequence[Setting]) -> Self:
        windows_s = tuple(sorted({each.window_s for each in candidates}))
        holds = {each.hold_s for each in candidates}
        return cls(
            windows_s,
            np.array([windows_s.index(each.window_s) for each in candidates]),
            np.array([each.trend_gain for each in candidates]),
            np.array([each.deviations or 0.0 for each in candidates]),
            np.array([each.deviations is not None for each in candidates]),
            tuple((hold, np.flatnonzero([each.hold_s == hold for each in candidates])) for hold in holds),
        )


_COLUMNS = _Columns.of(CANDIDATES)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Tuner:
    """Where each candidate's imagined fleet stands, what it would have cost of late and whom it would have served late.

    `wants` and `targets` are rings of what the candidates wanted and had ordered, one row per step.
    """

    steps: int
    wants: NDArray[np.int16]
    targets: Numbers
    target: Numbers
    queued: Numbers
    cost: Numbers
    late: Numbers
    arrived: float
    choice: Setting

    @classmethod
    def starting(cls, model: FluidModel) -> Self:
        """All fleets at their least, nothing known."""
        count, rows = len(CANDIDATES), max(1, round(model.cold_start_s / STEP_S)) + 1
        least = np.full(count, float(model.min_replicas))
        return cls(
            steps=0, wants=np.zeros((_ROWS, count), np.int16), targets=np.tile(least, (rows, 1)), target=least,
            queued=np.zeros(count), cost=np.zeros(count), late=np.zeros(count), arrived=0.0, choice=DEFAULT,
        )  # fmt: skip

    def stepped(self, arrivals: ArrivalWindow, model: FluidModel, *, learned_hold_s: int) -> "Tuner":
        """One step later, with a new choice once a minute."""
        ready = self.targets.min(axis=0)
        want = _wanted(arrivals, model, self.queued, ready)
        wants = self.wants.copy()
        wants[self.steps % _ROWS] = want
        target = self._held(wants, want, learned_hold_s)
        targets = self.targets.copy()
        targets[self.steps % len(targets)] = target
        capacity_per_s = targets.min(axis=0) * model.throughput_per_s
        left = np.maximum(0.0, self.queued + arrivals.added - capacity_per_s * STEP_S)
        late = (left > capacity_per_s * model.drain_s) * arrivals.added
        fade = math.exp(-STEP_S / MEMORY_S)
        tuner = replace(
            self, steps=self.steps + 1, wants=wants, targets=targets, target=target,
            queued=np.minimum(left, capacity_per_s * model.patience_s), cost=self.cost * fade + target,
            late=self.late * fade + late, arrived=self.arrived * fade + arrivals.added,
        )  # fmt: skip
        return tuner._chosen(model) if tuner.steps % CHOICE_STEPS == 0 else tuner

    def _held(self, wants: NDArray[np.int16], want: Numbers, learned_hold_s: int) -> Numbers:
        target = np.maximum(self.target, want)
        if self.steps % _HOLD_EVERY == 0:
            for hold_s, columns in _COLUMNS.holds:
                rows = (self.steps - np.arange((hold_s or learned_hold_s) // STEP_S)) % _ROWS
                target[columns] = wants[np.ix_(rows, columns)].max(axis=0)
        return target

    def _chosen(self, model: FluidModel) -> "Tuner":
        if self.steps * STEP_S < EVIDENCE_S or not self.arrived:
            return self
        share = self.late / self.arrived
        fits = share <= model.late_share
        best = int(np.where(fits, self.cost, np.inf).argmin()) if fits.any() else int(share.argmin())
        now = CANDIDATES.index(self.choice)
        stays = fits[now] and self.cost[best] > (1 - WORTH_A_CHANGE) * self.cost[now]
        return self if stays else replace(self, choice=CANDIDATES[best])


def _wanted(arrivals: ArrivalWindow, model: FluidModel, queued: Numbers, ready: Numbers) -> Numbers:
    """What the terms ask for under every candidate; the same sums as theirs, column by column."""
    measured = arrivals.burstiness()
    short = np.array([arrivals.rate_per_s(each) for each in _COLUMNS.windows_s])
    long = np.array([arrivals.rate_per_s(min(SPAN_S, LONG_WINDOWS * each)) for each in _COLUMNS.windows_s])
    trend = short[_COLUMNS.window] + _COLUMNS.gain * np.maximum(0.0, short - long)[_COLUMNS.window]
    burst = np.where(_COLUMNS.burst, measured.mean_per_s + _COLUMNS.deviations * measured.deviation_per_s, 0.0)
    drained = np.maximum(0.0, queued - 2 * ready) / (model.throughput_per_s * model.drain_s)
    replicas = np.ceil(np.maximum(burst, trend) / model.throughput_per_s + drained)
    return np.asarray(np.clip(replicas, model.min_replicas, model.max_replicas))


def rehearsed(counts_per_minute: Numbers, model: FluidModel, *, learned_hold_s: int) -> Tuner:
    """A tuner that has seen a history: each minute's requests spread over it at random, always in the same way."""
    tuner, total, chance = Tuner.starting(model), 0, np.random.default_rng(0)
    arrivals = ArrivalWindow.starting(0.0, 0)
    steps = round(60 / STEP_S)
    for minute, count in enumerate(np.nan_to_num(counts_per_minute)):
        for step, added in enumerate(chance.multinomial(round(count), np.full(steps, 1 / steps))):
            total += int(added)
            arrivals = arrivals.advanced(minute * 60.0 + (step + 1) * STEP_S, total)
            tuner = tuner.stepped(arrivals, model, learned_hold_s=learned_hold_s)
    return tuner
