"""Replicas that draw nothing, and a router over them, in time that passes only when everything waits for it."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fakes import FakeClock, Recorder, settle

from app.config import RoutingSettings
from app.errors import DarkroomError, JobCancelledError
from app.generation import (
    EngineEvent,
    Job,
    JobDraining,
    JobDrawn,
    JobEvent,
    JobFailed,
    JobFinished,
    JobStarted,
    JobStep,
    Picture,
    Receipt,
)
from app.routing.ports import Finished
from app.routing.router import Router


class _Work:
    """A job on a fake replica."""

    def __init__(self, job: Job, events: "asyncio.Queue[EngineEvent | None]") -> None:
        self.job = job
        self.events = events
        self.step = 0


@dataclass
class FakeReplica:
    """A replica on which every step takes `step_s`, of the most urgent jobs of one shape, `max_batch` at most.

    `steps` are the job ids of each step; `errors` ends jobs; `delivers` says whether it draws
    pictures to their final size; a `doomed` replica dies with its first step and stays dead.
    """

    name: str
    clock: FakeClock
    max_batch: int = 4
    step_s: float = 1.0
    delivers: bool = True
    errors: dict[str, DarkroomError] = field(default_factory=dict)
    steps: list[tuple[str, ...]] = field(default_factory=list)
    received: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    busy_s: float = 0.0
    doomed: bool = False
    is_dead: bool = False

    def __post_init__(self) -> None:
        self._works: dict[str, _Work] = {}
        self._device: asyncio.Task[None] | None = None

    @property
    def batches(self) -> list[tuple[str, ...]]:
        """The batches in order, each once however many steps it stayed together."""
        return [batch for batch, _ in itertools.groupby(self.steps)]

    async def run(self, jobs: tuple[Job, ...]) -> AsyncIterator[EngineEvent]:
        """Go through the events of jobs that came together."""
        self.received.append((self.clock(), tuple(job.job_id for job in jobs)))
        self._check_alive()
        events: asyncio.Queue[EngineEvent | None] = asyncio.Queue()
        self._works.update((job.job_id, _Work(job, events)) for job in jobs)
        if self._device is None or self._device.done():
            self._device = asyncio.create_task(self._draw())
        for _ in jobs:
            while not isinstance(event := await events.get(), JobDrawn | JobFailed):
                if event is None:
                    self._check_alive()
                else:
                    yield event
            yield event

    async def _draw(self) -> None:
        await asyncio.sleep(0)
        while self._works and not self.is_dead:
            batch = self._next_batch()
            self._announce(batch)
            await self.clock.sleep(self.step_s)
            self.busy_s += self.step_s
            self.is_dead = self.doomed
            if not self.is_dead:
                self._advance(batch)
        for work in self._works.values():
            work.events.put_nowait(None)

    def _next_batch(self) -> list[_Work]:
        works = sorted(self._works.values(), key=lambda work: work.job.urgency)
        alike = [work for work in works if work.job.spec.batch_key == works[0].job.spec.batch_key]
        return alike[: self.max_batch]

    def _announce(self, batch: list[_Work]) -> None:
        self.steps.append(tuple(work.job.job_id for work in batch))
        for work in batch:
            if work.step == 0:
                work.events.put_nowait(JobStarted(job_id=work.job.job_id, replica=self.name))
            if work.step == work.job.spec.steps - 1:
                work.events.put_nowait(JobDraining(job_id=work.job.job_id))

    def _advance(self, batch: list[_Work]) -> None:
        for work in batch:
            job, steps = work.job, work.job.spec.steps
            work.step += 1
            if job.job_id in self.cancelled:
                self._end(work, JobFailed(job_id=job.job_id, error=JobCancelledError("cancelled")))
                continue
            if job.report_steps:
                work.events.put_nowait(JobStep(job_id=job.job_id, step=work.step, steps=steps))
            if work.step == steps:
                self._end(work, self._outcome(job, len(batch)))

    def _end(self, work: _Work, event: EngineEvent) -> None:
        del self._works[work.job.job_id]
        work.events.put_nowait(event)

    def _check_alive(self) -> None:
        if self.is_dead:
            raise ConnectionError(f"{self.name} is dead")

    def _outcome(self, job: Job, batch_size: int) -> JobDrawn | JobFailed:
        if job.job_id in self.errors:
            return JobFailed(job_id=job.job_id, error=self.errors[job.job_id])
        receipt = Receipt(variant=job.spec.variant, steps=job.spec.steps, batch_size=batch_size, gpu_ms=5.0)
        return JobDrawn(
            job_id=job.job_id,
            blob_key=f"drawn-{job.job_id}",
            byte_count=100,
            delivered=self.delivers,
            receipt=receipt,
        )


@dataclass(frozen=True)
class FakeSlot:
    """A reserved place on one replica."""

    replica: str
    run: Any


class FakePool:
    """Slots on fake replicas, given to whoever has waited longest.

    `failures` makes so many acquisitions fail; without `spreads` the first replica with room
    is chosen, not the one with the most.
    """

    def __init__(self, *replicas: FakeReplica, slots_each: int = 20) -> None:
        self.replicas = {replica.name: replica for replica in replicas}
        self.failures = 0
        self.spreads = True
        self.cancelled: list[str] = []
        self._slots_each = slots_each
        self._free = dict.fromkeys(self.replicas, slots_each)
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def slots(self) -> int:
        """Two seekers for each replica."""
        return 2 * len(self.replicas)

    @property
    def pending(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator[FakeSlot, None]:
        """Hold a place, once there is one."""
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("no replica can be reached")
        while not (room := self._room()):
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        name = max(room, key=lambda replica: self._free[replica]) if self.spreads else room[0]
        self._free[name] -= 1
        try:
            yield FakeSlot(replica=name, run=self.replicas[name].run)
        finally:
            self._free[name] += 1
            if self._waiting:
                self._waiting.popleft().set_result(None)

    def _room(self) -> list[str]:
        return [name for name, replica in self.replicas.items() if self._free[name] and not replica.is_dead]

    async def cancel(self, job_id: str) -> None:
        """Tell every replica."""
        self.cancelled.append(job_id)
        for replica in self.replicas.values():
            replica.cancelled.append(job_id)


@dataclass
class FakeFinisher:
    """A finishing stage that takes `seconds` for every picture."""

    clock: FakeClock
    seconds: float = 1.0
    error: Exception | None = None
    finished: list[tuple[str, str]] = field(default_factory=list)

    async def finish(self, job: Job, source_key: str) -> Finished:
        """Pretend to enlarge the picture."""
        await self.clock.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self.finished.append((job.job_id, source_key))
        return Finished(blob_key=f"finished-{job.job_id}", byte_count=200, upscale_s=self.seconds)


class RouterBench:
    """A router for the variant `sketch` over fake replicas, and callers who wait for its jobs."""

    def __init__(
        self,
        *,
        replicas: int = 1,
        max_batch: int = 4,
        slots_each: int = 20,
        delivers: bool = True,
        finish_s: float = 1.0,
        **limits: Any,
    ) -> None:
        self.clock = FakeClock()
        self.recorder = Recorder()
        self.replicas = [
            FakeReplica(f"replica-{n}", self.clock, max_batch=max_batch, delivers=delivers) for n in range(replicas)
        ]
        self.pool = FakePool(*self.replicas, slots_each=slots_each)
        self.finisher = FakeFinisher(self.clock, seconds=finish_s)
        self.router = Router(
            pools={"sketch": self.pool},
            max_batch={"sketch": max_batch},
            finisher=self.finisher,
            settings=RoutingSettings(**limits),
            observe=self.recorder,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    @property
    def replica(self) -> FakeReplica:
        """The only replica."""
        return self.replicas[0]

    async def events(self, job: Job) -> list[JobEvent]:
        """Everything the router tells about one job."""
        async with aclosing(self.router.run(job)) as events:
            return [event async for event in events]

    async def picture(self, job: Job) -> Picture:
        """The picture that one job ends with."""
        last = (await self.events(job))[-1]
        if not isinstance(last, JobFinished):
            raise TypeError(f"the job ended with {last}")
        return last.picture

    async def start(self, *jobs: Job) -> list[asyncio.Task[Picture]]:
        """One waiting caller for each job."""
        callers = [asyncio.create_task(self.picture(job)) for job in jobs]
        await settle()
        return callers

    async def outcomes(self, callers: Sequence[asyncio.Task[Picture]]) -> list[Picture | BaseException]:
        """What every caller got, once all have got something."""

        async def gathered() -> list[Picture | BaseException]:
            """Wait for all of them."""
            return await asyncio.gather(*callers, return_exceptions=True)

        return await self.clock.run(gathered())

    async def run(self, *jobs: Job) -> list[Picture | BaseException]:
        """What becomes of jobs that all arrive now."""
        return await self.outcomes(await self.start(*jobs))
