"""One session: all servers warm on one core, taking turns phase by phase; started anew for each repetition."""

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.engine.asks import EVERYTHING, MIXED_SHAPES, MIXED_STEPS, UNIFORM, Kind, ask_of
from benchmarks.engine.bare import Bare
from benchmarks.engine.load import Order, closed_loop
from benchmarks.engine.phases import HIT_CONCURRENCIES, PHASES, Phase
from benchmarks.engine.servers import ECHO, ECHO_FASTAPI, Entry, Server, ServerFailedError
from benchmarks.engine.turn import Extent, Metrics, Reference, Turn, latencies, prefixed, within
from rich.console import Console

BARE = "bare"
CLIENT = "client"
_ECHO_S = 1.5
_ECHO_WARMUP_S = 0.3
_TELLING = ("of_bare", "net_ratio", "identical", "p99_ms", "wasted", "broken")


@dataclass(frozen=True, slots=True)
class Record:
    """What one turn found."""

    repetition: int
    phase: str
    server: str
    metrics: Metrics
    faults: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything that one session works with; `server_core` and `client_core` are numbers of this machine's cores."""

    extent: Extent
    phases: Sequence[Phase]
    server_core: int
    folder: Path
    console: Console
    records: list[Record] = field(default_factory=list)
    restarts: Counter[str] = field(default_factory=Counter)

    async def run(self, entries: Sequence[Entry]) -> None:
        """Start all, measure, end all, also when told to stop; records are kept up to where it got."""
        if (task := asyncio.current_task()) is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        for repetition in range(self.extent.repeats):
            with self._bare() as bare, self._servers((ECHO, ECHO_FASTAPI, *entries)) as (nothing, http, *servers):
                started = [server for server in (nothing, http, *servers) if await self._start(server)]
                reference = await self._reference(repetition, bare, nothing=nothing, http=http)
                await self._repeat(repetition, bare, reference, [each for each in servers if each in started])
                self.restarts.update({server.entry.name: server.starts - 1 for server in servers})

    async def _start(self, server: Server) -> bool:
        """Start it and halt it; false when it does not come up, so that the others are measured without it."""
        started_s = perf_counter()
        try:
            await server.start()
        except ServerFailedError as error:
            self.console.print(f"[red]{server.entry.name} is left out: {error}")
            return False
        server.pause()
        self.console.print(f"[dim]{server.entry.name} is warm after {perf_counter() - started_s:.0f} s")
        return True

    async def _repeat(self, repetition: int, bare: Bare, reference: Reference, servers: Sequence[Server]) -> None:
        for number, phase in enumerate(self.phases):
            turn = (repetition + number) % len(servers)
            for server in (*servers[turn:], *servers[:turn]):
                metrics = await self._measure(
                    phase,
                    Turn(
                        server=server, bare=bare, reference=reference, extent=self.extent, phase=phase.name,
                        number=repetition * len(PHASES) + PHASES.index(phase),
                    ),
                )  # fmt: skip
                self._note(Record(repetition, phase.name, server.entry.name, metrics, dict(server.faults)))

    async def _measure(self, phase: Phase, turn: Turn) -> Metrics:
        """The phase's metrics; none when the server fails, which is counted and started again."""
        try:
            await turn.server.resume()
            return await phase.measure(turn)
        except ServerFailedError as error:
            self.console.print(f"[red]{turn.server.entry.name} failed in {phase.name}: {error}")
            return {"broken": 1.0}
        finally:
            turn.server.pause()

    async def _reference(self, repetition: int, bare: Bare, *, nothing: Server, http: Server) -> Reference:
        alone_ms = {kind: bare.alone_ms(kind) for kind in EVERYTHING.kinds}
        rates = {mix.name: bare.rate(mix, seconds=self.extent.bare_s) for mix in (UNIFORM, MIXED_STEPS, MIXED_SHAPES)}
        metrics = {f"alone {_named(kind)}.ms": value for kind, value in alone_ms.items()}
        for name, rate in rates.items():
            metrics |= prefixed(name, {"per_s": rate.per_s, "cpu_ms": rate.cpu_ms})
        self._note(Record(repetition, BARE, BARE, metrics))
        echoes = {"nothing": await _echo(nothing), "http": await _echo(http)}
        metrics = {f"{name}.{metric}": value for name, each in echoes.items() for metric, value in each.items()}
        self._note(Record(repetition, CLIENT, CLIENT, metrics))
        return Reference(alone_ms=alone_ms, http_ms=echoes["http"]["c1.p50_ms"])

    def _note(self, record: Record) -> None:
        self.records.append(record)
        shown = ", ".join(f"{name} {value:.3g}" for name, value in record.metrics.items() if _is_telling(name))
        if not shown and not record.faults:
            return
        where = f"{record.repetition + 1}/{self.extent.repeats} {record.phase} {record.server}"
        self.console.print(f"[dim]{where}: {shown}" + (f" [red]{record.faults}" if record.faults else ""))

    @contextmanager
    def _bare(self) -> Iterator[Bare]:
        bare = Bare(core=self.server_core, folder=self.folder)
        try:
            yield bare
        finally:
            bare.stop()

    @contextmanager
    def _servers(self, entries: Sequence[Entry]) -> Iterator[list[Server]]:
        servers = [Server(entry, core=self.server_core, folder=self.folder, console=self.console) for entry in entries]
        try:
            yield servers
        finally:
            for server in servers:
                server.stop()


async def _echo(server: Server) -> Metrics:
    """What the client reaches, and what each request costs it, where nothing is drawn."""
    await server.resume()
    orders, metrics = itertools.repeat(Order(ask=ask_of(0, UNIFORM.kinds[0]))), Metrics()
    for clients in HIT_CONCURRENCIES:
        used_s = process_time()
        samples, usage = await asyncio.gather(
            closed_loop(server.target, orders, clients=clients, seconds=_ECHO_WARMUP_S + _ECHO_S),
            server.watch(after_s=_ECHO_WARMUP_S, seconds=_ECHO_S),
        )
        inside = within(samples, usage)
        cost = {"per_s": len(inside) / usage.seconds, "client_ms": 1000 * (process_time() - used_s) / len(samples)}
        metrics |= prefixed(f"c{clients}", latencies(inside) | cost)
    server.pause()
    return metrics


def _named(kind: Kind) -> str:
    return f"{kind.width}x{kind.height}, {kind.steps} steps"


def _is_telling(name: str) -> bool:
    return name.endswith(_TELLING)
