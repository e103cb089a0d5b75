"""Load on one server: clients in a closed loop, arrivals in an open one, clients that hang up."""

import asyncio
import random
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from time import perf_counter

from benchmarks.engine.asks import Ask
from benchmarks.engine.client import Connection
from benchmarks.engine.dialects import Dialect

REQUEST_LIMIT_S = 90.0
_AFTER_FAILURE_S = 0.05
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Outcome(StrEnum):
    """What became of a request."""

    DRAWN = "drawn"
    WRONG = "wrong"
    FAILED = "failed"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An ask to send; `cached` lets the peer's cache take part, `file` is the answer where it is known before."""

    ask: Ask
    cached: bool = False
    file: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was due or sent, when it was over, in seconds of `perf_counter`.

    `after_s` is when it was due, counted from the start of an open loop.
    """

    order: Order
    sent_s: float
    done_s: float
    outcome: Outcome
    file: bytes = b""
    after_s: float = 0.0

    @property
    def latency_ms(self) -> float:
        """Milliseconds from due to over."""
        return 1000 * (self.done_s - self.sent_s)

    @property
    def is_hit(self) -> bool:
        """Whether the answer was known before."""
        return self.order.file is not None


@dataclass(frozen=True, slots=True)
class Target:
    """A server as its clients see it; `faults` counts by their reason the answers that were none."""

    port: int
    dialect: Dialect
    faults: Counter[str]

    async def ask(self, connection: Connection, order: Order, *, patience_s: float = REQUEST_LIMIT_S) -> Sample:
        """One request and its outcome; one that is not over after `patience_s` ends with a closed connection."""
        sent_s, outcome, file = perf_counter(), Outcome.FAILED, b""
        try:
            async with asyncio.timeout(patience_s):
                answer = await connection.post(self.dialect.message(order.ask, cached=order.cached))
            if answer.status == 200:
                file = self.dialect.picture(answer.body)
                outcome = Outcome.DRAWN if _is_right(file, order) else Outcome.WRONG
            else:
                self.faults[f"status {answer.status}"] += 1
        except TimeoutError:
            outcome = Outcome.LEFT if patience_s < REQUEST_LIMIT_S else Outcome.FAILED
            connection.close()
        except (OSError, EOFError, ValueError, LookupError) as error:
            self.faults[type(error).__name__] += 1
            connection.close()
        return Sample(order, sent_s, perf_counter(), outcome, file)


def _is_right(file: bytes, order: Order) -> bool:
    if order.file is not None:
        return file == order.file
    return file.startswith(_SIGNATURE) and struct.unpack(">II", file[16:24]) == (order.ask.width, order.ask.height)


async def closed_loop(target: Target, orders: Iterator[Order], *, clients: int, seconds: float) -> list[Sample]:
    """What `clients` saw that each send their next request when the last is answered, for `seconds`."""
    until_s = perf_counter() + seconds
    seen = await asyncio.gather(*(_stay(target, orders, until_s) for _ in range(clients)))
    return [sample for samples in seen for sample in samples]


async def _stay(target: Target, orders: Iterator[Order], until_s: float) -> list[Sample]:
    samples, connection = [], Connection(target.port)
    while perf_counter() < until_s:
        samples.append(await target.ask(connection, next(orders)))
        if samples[-1].outcome is Outcome.FAILED:
            await asyncio.sleep(_AFTER_FAILURE_S)
    connection.close()
    return samples


async def leaving_loop(
    target: Target, orders: Iterator[Order], *, clients: int, seconds: float, longest_s: float, seed: int
) -> list[Sample]:
    """What `clients` saw that hang up after a random time up to `longest_s` and come back at once."""
    until_s = perf_counter() + seconds
    loops = (_leave(target, orders, until_s, longest_s, random.Random(f"{seed}.{number}")) for number in range(clients))
    return [sample for samples in await asyncio.gather(*loops) for sample in samples]


async def _leave(
    target: Target, orders: Iterator[Order], until_s: float, longest_s: float, chance: random.Random
) -> list[Sample]:
    samples, connection = [], Connection(target.port)
    while perf_counter() < until_s:
        samples.append(await target.ask(connection, next(orders), patience_s=chance.uniform(0.0, longest_s)))
    connection.close()
    return samples


def poisson(orders: Iterator[Order], *, rate: float, seconds: float, seed: int) -> list[tuple[float, Order]]:
    """Arrivals at `rate` per second: when each is due, in seconds from the start, and what it asks for."""
    chance, due_s, arrivals = random.Random(seed), 0.0, list[tuple[float, Order]]()
    while (due_s := due_s + chance.expovariate(rate)) < seconds:
        arrivals.append((due_s, next(orders)))
    return arrivals


async def open_loop(target: Target, arrivals: Iterable[tuple[float, Order]]) -> list[Sample]:
    """What arrivals saw that come when they are due, however busy the server is; latency counts from then."""
    started_s, idle = perf_counter(), list[Connection]()
    tasks = []
    for after_s, order in arrivals:
        await asyncio.sleep(started_s + after_s - perf_counter())
        tasks.append(asyncio.create_task(_arrive(target, order, started_s=started_s, after_s=after_s, idle=idle)))
    samples = await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return samples


async def _arrive(target: Target, order: Order, *, started_s: float, after_s: float, idle: list[Connection]) -> Sample:
    connection = idle.pop() if idle else Connection(target.port)
    sample = await target.ask(connection, order)
    idle.append(connection)
    return replace(sample, sent_s=started_s + after_s, after_s=after_s)


def completed(samples: Sequence[Sample], started_s: float, ended_s: float) -> float:
    """Pictures drawn between two moments; one that was under way at either counts by the share of its time inside.

    Pictures come in bursts of a batch; counting whole ones would err by up to a batch at each end.
    """
    drawn = (sample for sample in samples if sample.outcome is Outcome.DRAWN)
    return sum(
        max(0.0, min(sample.done_s, ended_s) - max(sample.sent_s, started_s)) / (sample.done_s - sample.sent_s)
        for sample in drawn
    )
