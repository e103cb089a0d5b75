"""A server's turn in a phase: the server, the bare loop beside it, and how long and hard to load it."""

import asyncio
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.engine.asks import Ask, Kind, Mix, stream
from benchmarks.engine.bare import Bare, Rate
from benchmarks.engine.load import Order, Outcome, Sample, closed_loop, completed
from benchmarks.engine.servers import Server, Usage

STREAMS_PER_PHASE = 8

Metrics = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured: seconds of a window and of what goes before it, of the bare loop, and counts."""

    repeats: int = 5
    window_s: float = 6.0
    warmup_s: float = 1.0
    bare_s: float = 2.0
    pairs: int = 20
    seeds: int = 3


QUICK = Extent(repeats=1, window_s=1.5, warmup_s=0.4, bare_s=0.8, pairs=8, seeds=1)


@dataclass(slots=True, kw_only=True)
class Reference:
    """What one repetition is held against: latencies of pictures alone, of HTTP itself, and what first turns found.

    All in milliseconds; `capacities` are pictures per second by phase, so that all servers
    meet the same arrivals.
    """

    alone_ms: Mapping[Kind, float]
    http_ms: float
    capacities: dict[str, float] = field(default_factory=dict)
    idle_hit_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One server in one phase of one repetition."""

    server: Server
    bare: Bare
    reference: Reference
    extent: Extent
    phase: str
    number: int
    streams: Iterator[int] = field(default_factory=itertools.count)

    def asks(self, mix: Mix) -> Iterator[Ask]:
        """The next stream of asks: equal for all servers in their turns, new to this one."""
        return stream(mix, self.number * STREAMS_PER_PHASE + next(self.streams))

    def orders(self, mix: Mix, *, cached: bool = False) -> Iterator[Order]:
        """The next stream as orders."""
        return (Order(ask=ask, cached=cached) for ask in self.asks(mix))

    def alone_ms(self, mix: Mix) -> float:
        """What one picture of the mix's first kind takes alone, in milliseconds."""
        return self.reference.alone_ms[mix.kinds[0]]

    async def bare_rate(self, mix: Mix) -> Rate:
        """The bare loop's rate now, with the server halted."""
        self.server.pause()
        try:
            return self.bare.rate(mix, seconds=self.extent.bare_s)
        finally:
            await self.server.resume()

    async def capacity(self, mix: Mix) -> float:
        """Pictures per second of the bare loop, as the phase's first turn of this repetition found them."""
        capacities = self.reference.capacities
        if self.phase not in capacities:
            capacities[self.phase] = (await self.bare_rate(mix)).per_s
        return capacities[self.phase]

    async def closed(self, orders: Iterator[Order], *, clients: int) -> tuple[list[Sample], Usage]:
        """A closed loop with its window watched."""
        extent = self.extent
        seconds = extent.warmup_s + extent.window_s
        return await asyncio.gather(
            closed_loop(self.server.target, orders, clients=clients, seconds=seconds),
            self.server.watch(after_s=extent.warmup_s, seconds=extent.window_s),
        )


def within(samples: Iterable[Sample], usage: Usage) -> list[Sample]:
    """The samples that ended inside the window."""
    return [sample for sample in samples if usage.started_s <= sample.done_s <= usage.ended_s]


def percentile(values: Iterable[float], share: float) -> float:
    """The value that this share of all did not exceed, by nearest rank; not a number when there is none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def latencies(samples: Iterable[Sample]) -> Metrics:
    """Median and 99th percentile of what was drawn, in milliseconds."""
    drawn = [sample.latency_ms for sample in samples if sample.outcome is Outcome.DRAWN]
    return {"p50_ms": percentile(drawn, 0.5), "p99_ms": percentile(drawn, 0.99)}


def failures(samples: Iterable[Sample]) -> Metrics:
    """How many answers were none, and how many were wrong."""
    counted = [sample.outcome for sample in samples]
    return {"failed": counted.count(Outcome.FAILED), "wrong": counted.count(Outcome.WRONG)}


def throughput(samples: Sequence[Sample], usage: Usage, rate: Rate) -> Metrics:
    """Pictures per second and what each cost, beside the bare loop."""
    pictures = completed(samples, usage.started_s, usage.ended_s)
    cpu_ms = 1000 * usage.cpu_s / pictures if pictures else math.nan
    return {
        "per_s": pictures / usage.seconds,
        "of_bare": pictures / usage.seconds / rate.per_s,
        "cpu_ms": cpu_ms,
        "cpu_of_bare": cpu_ms / rate.cpu_ms,
        "mean_batch": usage.work.mean_batch or math.nan,
        "bare_per_s": rate.per_s,
    }


def prefixed(prefix: str, metrics: Metrics) -> Metrics:
    """The metrics under longer names."""
    return {f"{prefix}.{name}": value for name, value in metrics.items()}
