"""The servers that are compared, as a table, and how one of them is started, paused, watched and ended."""

import asyncio
import itertools
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.engine.asks import UNIFORM, Ask, ask_of
from benchmarks.engine.client import Connection
from benchmarks.engine.dialects import BENTO, FAL, PLAIN, Dialect
from benchmarks.engine.environments import python_of
from benchmarks.engine.family import Family, environment, last_words, pinned, used_s
from benchmarks.engine.ledger import VARIABLE, Ledger, Work
from benchmarks.engine.load import Order, Outcome, Target
from rich.console import Console

from app.cli.environment import free_ports

HERE = Path(__file__).parent
OURS = "darkroom"
START_S = 300.0
RESUME_S = 60.0
_POLL_S = 0.25
# Beyond all streams, so that nobody has drawn it before.
_FIRST_GREETING = 2**40


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One server: its heading, the script that runs it on `--port`, and the environment whose Python runs that.

    `is_peer` is false for our own; `uses_ray` keeps two Rays apart; `on_request` leaves it
    out unless it is asked for. `keeps_ledger` says whether its model counts its work.
    """

    name: str
    script: str
    dialect: Dialect
    environment: str | None = None
    is_peer: bool = True
    uses_ray: bool = False
    on_request: bool = False
    keeps_ledger: bool = True
    options: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The script."""
        return HERE / self.script


SERVERS = (
    Entry(name=OURS, script="serve_darkroom.py", dialect=FAL, is_peer=False),
    Entry(name="litserve", script="peers/litserve_server.py", dialect=PLAIN, environment="litserve"),
    Entry(name="bentoml", script="peers/bentoml_service.py", dialect=BENTO, environment="bentoml"),
    Entry(name="ray serve", script="peers/ray_serve_app.py", dialect=PLAIN, uses_ray=True),
    Entry(name="fastapi + lock", script="peers/fastapi_lock.py", dialect=PLAIN),
    Entry(
        name="darkroom on ray", script="serve_graph.py", dialect=FAL, is_peer=False, uses_ray=True, on_request=True,
        keeps_ledger=False,
    ),
)  # fmt: skip
ECHO = Entry(name="echo", script="peers/echo.py", dialect=PLAIN)
ECHO_FASTAPI = Entry(name="fastapi echo", script="peers/echo.py", dialect=PLAIN, options=("--fastapi",))


class ServerFailedError(Exception):
    """A server did not start, or does not answer any more."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a server had used and its device done at a moment, in seconds of `perf_counter`."""

    at_s: float
    cpu_s: dict[int, float]
    work: Work


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server used and its device did between two moments."""

    started_s: float
    ended_s: float
    cpu_s: float
    work: Work

    @property
    def seconds(self) -> float:
        """How long that was."""
        return self.ended_s - self.started_s


class Server:
    """A server that runs on one core; paused, it takes nothing from the others."""

    def __init__(self, entry: Entry, *, core: int, folder: Path, console: Console) -> None:
        self.entry = entry
        self.starts = 0
        self.faults: Counter[str] = Counter()
        self._console = console
        self._core = core
        self._folder = folder
        self._python = python_of(entry.environment, console)
        self._ledger = Ledger(folder / f"{_file_name(entry)}.ledger")
        self._log = folder / f"{_file_name(entry)}.log"
        self._family: Family | None = None
        self._greetings = itertools.count(_FIRST_GREETING)

    @property
    def target(self) -> Target:
        """Where load goes."""
        return Target(self._port, self.entry.dialect, self.faults)

    async def start(self) -> None:
        """Start it and wait until it draws; raises ServerFailedError."""
        self.starts += 1
        (self._port,) = free_ports(1)
        command = [self._python, str(self.entry.path), "--port", str(self._port), *self.entry.options]
        variables = environment(self._folder, **{VARIABLE: str(self._folder / f"{_file_name(self.entry)}.ledger")})
        with pinned(self._core), self._log.open("ab") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs meanwhile
                command, env=variables, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._process, self._family = process, Family(process.pid)
        await self._until_it_draws(START_S)

    @property
    def _running(self) -> Family:
        if self._family is None:
            raise ServerFailedError(f"{self.entry.name} was never started")
        return self._family

    def pause(self) -> None:
        """Halt it where it stands."""
        self._running.pause()

    async def resume(self) -> None:
        """Let it go on, and wait until it draws; one that does not is started again."""
        self._running.resume()
        try:
            await self._until_it_draws(RESUME_S)
        except ServerFailedError as error:
            self._console.print(f"[red]{self.entry.name} is started again: {error}")
            self.stop()
            await self.start()

    def wake(self) -> None:
        """Let it go on, without any request."""
        self._running.resume()

    def stop(self) -> None:
        """End it and all that it started; one that was never started is left alone."""
        if self._family is not None:
            self._family.stop()

    def read(self) -> Reading:
        """What was used up to now; cheap enough for the middle of a measurement."""
        return Reading(perf_counter(), self._running.cpu_s(), self._ledger.work)

    async def watch(self, *, after_s: float, seconds: float) -> Usage:
        """What it uses in `seconds`, beginning `after_s` from now."""
        self._running.refresh()
        await asyncio.sleep(after_s)
        before = self.read()
        await asyncio.sleep(seconds)
        return since(before, self.read())

    async def _until_it_draws(self, limit_s: float) -> None:
        until_s, connection = perf_counter() + limit_s, Connection(self._port)
        while perf_counter() < until_s:
            sample = await self.target.ask(connection, Order(ask=self._greeting()), patience_s=limit_s)
            if sample.outcome is Outcome.DRAWN:
                connection.close()
                self.faults.clear()
                return
            if not self._running.is_alive:
                break
            await asyncio.sleep(_POLL_S)
        reasons = ", ".join(self.faults) or "no answer in time"
        raise ServerFailedError(f"{self.entry.name} does not draw ({reasons}); its log ends\n{last_words(self._log)}")

    def _greeting(self) -> Ask:
        return ask_of(next(self._greetings), UNIFORM.kinds[0])


def since(before: Reading, after: Reading) -> Usage:
    """What was used between two readings."""
    return Usage(before.at_s, after.at_s, used_s(before.cpu_s, after.cpu_s), after.work.since(before.work))


def _file_name(entry: Entry) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in entry.name)
