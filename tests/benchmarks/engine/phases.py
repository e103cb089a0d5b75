"""What is measured of a server, phase by phase; each answers numbers by name."""

import asyncio
import itertools
import math
import random
import statistics
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

from benchmarks.engine.asks import EVERYTHING, MIXED_SHAPES, MIXED_STEPS, UNIFORM, Mix
from benchmarks.engine.client import Connection
from benchmarks.engine.load import Order, Outcome, Sample, closed_loop, leaving_loop, open_loop, poisson
from benchmarks.engine.servers import ServerFailedError, Usage, since
from benchmarks.engine.turn import (
    Metrics,
    Turn,
    failures,
    latencies,
    prefixed,
    throughput,
    within,
)

GOODPUTS = (2, 4)
HIT_CONCURRENCIES = (1, 16)
HALF_CLIENTS = 8
STORM_CLIENTS = 8
# In units of a picture's latency alone.
LONGEST_STAY = 8
CALM = 3
CALM_LIMIT_S = 30.0
_SETTLE_S = 0.05

Measure = Callable[[Turn], Awaitable[Metrics]]


async def verify(turn: Turn) -> Metrics:
    """Whether pictures asked for at the same time are those of the bare loop, byte for byte."""
    asks = list(itertools.islice(turn.asks(EVERYTHING), 2 * len(EVERYTHING.kinds)))
    turn.server.pause()
    files, _ = turn.bare.draw(asks)
    await turn.server.resume()
    target = turn.server.target
    orders = (Order(ask=ask, file=file) for ask, file in zip(asks, files, strict=True))
    samples = await asyncio.gather(*(target.ask(Connection(target.port), order) for order in orders))
    drawn = sum(sample.outcome is Outcome.DRAWN for sample in samples)
    return {"identical": drawn / len(samples), **failures(samples)}


async def pairs(turn: Turn) -> Metrics:
    """The same picture without and with the server, in turns; the server is halted while the bare loop draws."""
    server, connection = turn.server, Connection(turn.server.target.port)
    alone_ms, served = [], []
    for ask in itertools.islice(turn.asks(UNIFORM), turn.extent.pairs):
        server.pause()
        alone_ms.append(turn.bare.draw([ask])[1])
        server.wake()
        await asyncio.sleep(_SETTLE_S)
        served.append(await server.target.ask(connection, Order(ask=ask)))
    connection.close()
    served_ms, bare_ms = (statistics.median(values) for values in ([each.latency_ms for each in served], alone_ms))
    return {
        "bare_ms": bare_ms,
        "server_ms": served_ms,
        "overhead_ms": statistics.median(each.latency_ms - alone for each, alone in zip(served, alone_ms, strict=True)),
        "ratio": served_ms / bare_ms,
        "net_ratio": (served_ms - turn.reference.http_ms) / bare_ms,
        **failures(served),
    }


def closed(mix: Mix, clients: int) -> Measure:
    """A closed loop of that many clients."""

    async def measure(turn: Turn) -> Metrics:
        rate = await turn.bare_rate(mix)
        samples, usage = await turn.closed(turn.orders(mix), clients=clients)
        return latencies(within(samples, usage)) | throughput(samples, usage, rate) | failures(samples)

    return measure


def arriving(mix: Mix, load: float) -> Measure:
    """Poisson arrivals at that share of what the bare loop draws."""

    async def measure(turn: Turn) -> Metrics:
        capacity = await turn.capacity(mix)
        return await _arrivals(turn, mix, per_s=load * capacity)

    return measure


async def hits(turn: Turn) -> Metrics:
    """One picture again and again."""
    metrics: Metrics = {}
    order = await _known(turn)
    for clients in HIT_CONCURRENCIES:
        samples, usage = await turn.closed(itertools.repeat(order), clients=clients)
        inside = within(samples, usage)
        drawn = sum(sample.outcome is Outcome.DRAWN for sample in inside)
        cost = {"per_s": drawn / usage.seconds, "cpu_ms": 1000 * usage.cpu_s / max(1, drawn)}
        metrics |= prefixed(f"c{clients}", latencies(inside) | cost | failures(samples))
    turn.reference.idle_hit_ms[turn.server.entry.name] = metrics["c1.p50_ms"]
    return metrics


async def half_hits(turn: Turn) -> Metrics:
    """Every client asks for the known picture or for a new one, by the throw of a coin."""
    rate, known = await turn.bare_rate(UNIFORM), await _known(turn)
    samples, usage = await turn.closed(_coins(turn, known), clients=HALF_CLIENTS)
    inside = within(samples, usage)
    found = latencies(sample for sample in inside if sample.is_hit)
    missed = [sample for sample in samples if not sample.is_hit]
    idle_ms = turn.reference.idle_hit_ms.get(turn.server.entry.name, float("nan"))
    return {
        **prefixed("hit", found),
        "hit.of_idle": found["p50_ms"] / idle_ms,
        **prefixed("miss", latencies(within(missed, usage)) | throughput(missed, usage, rate)),
        **failures(samples),
    }


async def storm(turn: Turn) -> Metrics:
    """Half of the clients hang up after a random short time and come back; the others stay."""
    rate, extent, target = await turn.bare_rate(UNIFORM), turn.extent, turn.server.target
    seconds = extent.warmup_s + extent.window_s
    longest_s = LONGEST_STAY * turn.alone_ms(UNIFORM) / 1000
    before = turn.server.read()
    stayed, left, usage = await asyncio.gather(
        closed_loop(target, turn.orders(UNIFORM), clients=STORM_CLIENTS, seconds=seconds),
        leaving_loop(
            target, turn.orders(UNIFORM), clients=STORM_CLIENTS, seconds=seconds, longest_s=longest_s, seed=turn.number
        ),
        turn.server.watch(after_s=extent.warmup_s, seconds=extent.window_s),
    )
    last = await _calm(turn)
    return {
        "hung_up": sum(sample.outcome is Outcome.LEFT for sample in left),
        **latencies(within(stayed, usage)),
        **throughput([*stayed, *left], usage, rate),
        "stayed_of_bare": throughput(stayed, usage, rate)["of_bare"],
        "recovery_s": last[-1].sent_s - last[0].sent_s,
        **_waste([*stayed, *left, *last], since(before, turn.server.read())),
        **failures([*stayed, *left]),
    }


async def _calm(turn: Turn) -> list[Sample]:
    """Single requests until one is answered as if nothing else were going on."""
    connection, orders, samples = Connection(turn.server.target.port), turn.orders(UNIFORM), list[Sample]()
    until_s, calm_ms = perf_counter() + CALM_LIMIT_S, CALM * turn.alone_ms(UNIFORM)
    while not samples or (samples[-1].latency_ms > calm_ms and perf_counter() < until_s):
        samples.append(await turn.server.target.ask(connection, next(orders)))
    connection.close()
    return samples


def _waste(samples: list[Sample], usage: Usage) -> Metrics:
    """What the device did for nobody: as a share of its steps, and in seconds."""
    if not usage.work.samples:
        return {}
    delivered = sum(sample.order.ask.steps for sample in samples if sample.outcome is Outcome.DRAWN)
    share = 1 - delivered / usage.work.samples
    return {"wasted": share, "wasted_s": share * usage.work.device_s}


async def _arrivals(turn: Turn, mix: Mix, *, per_s: float) -> Metrics:
    extent, samples = turn.extent, list[Sample]()
    before = turn.server.read()
    for seed in range(extent.seeds):
        seconds = extent.warmup_s + extent.window_s
        arrivals = poisson(turn.orders(mix), rate=per_s, seconds=seconds, seed=turn.number * extent.seeds + seed)
        samples += await open_loop(turn.server.target, arrivals)
    usage = since(before, turn.server.read())
    counted = [sample for sample in samples if sample.after_s >= extent.warmup_s]
    drawn = sum(sample.outcome is Outcome.DRAWN for sample in samples)
    return {
        "per_s": per_s,
        **latencies(counted),
        **{f"within {factor}": _goodput(turn, counted, factor) for factor in GOODPUTS},
        "cpu_ms": 1000 * usage.cpu_s / max(1, drawn),
        "mean_batch": usage.work.mean_batch,
        **failures(samples),
    }


def _goodput(turn: Turn, samples: list[Sample], factor: int) -> float:
    """The share of arrivals that were drawn within `factor` times what they take alone."""
    alone_ms = turn.reference.alone_ms
    good = (
        sample.outcome is Outcome.DRAWN and sample.latency_ms <= factor * alone_ms[sample.order.ask.kind]
        for sample in samples
    )
    return sum(good) / len(samples) if samples else math.nan


async def _known(turn: Turn) -> Order:
    """An order that has been answered once, with the answer."""
    order, target = next(turn.orders(UNIFORM, cached=True)), turn.server.target
    connection = Connection(target.port)
    first = await target.ask(connection, order)
    connection.close()
    if first.outcome is not Outcome.DRAWN:
        raise ServerFailedError(f"{turn.server.entry.name} did not draw the picture that was to be known")
    return replace(order, file=first.file)


def _coins(turn: Turn, known: Order) -> Iterator[Order]:
    chance = random.Random(turn.number)
    for new in turn.orders(UNIFORM, cached=True):
        yield known if chance.random() < 0.5 else new


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the measurement in which all servers take turns."""

    name: str
    measure: Measure


# The pressure rises: BentoML's batcher remembers long waits, and would wait as long for single requests afterwards.
PHASES = (
    Phase("verify", verify),
    Phase("pairs", pairs),
    Phase("uniform-c1", closed(UNIFORM, 1)),
    Phase("hits", hits),
    Phase("uniform-0.5", arriving(UNIFORM, 0.5)),
    Phase("uniform-0.8", arriving(UNIFORM, 0.8)),
    Phase("steps-0.8", arriving(MIXED_STEPS, 0.8)),
    Phase("shapes-0.8", arriving(MIXED_SHAPES, 0.8)),
    Phase("half", half_hits),
    Phase("uniform-c8", closed(UNIFORM, 8)),
    Phase("uniform-1.1", arriving(UNIFORM, 1.1)),
    Phase("uniform-c32", closed(UNIFORM, 32)),
    Phase("steps-c32", closed(MIXED_STEPS, 32)),
    Phase("shapes-c32", closed(MIXED_SHAPES, 32)),
    Phase("storm", storm),
)
