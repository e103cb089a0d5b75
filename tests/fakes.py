"""Stand-ins that tests pass in: a clock that tests move, a generator that draws nothing, stores in memory."""

import asyncio
import dataclasses
import heapq
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from app.cache.call_guard import CallGuard
from app.cache.exact import ExactCache
from app.cache.levels import PictureLevels
from app.cache.rows import PictureRows
from app.cache.similar.ports import SimilarPictures
from app.cache_levels import CacheLimit
from app.config import RoutingSettings
from app.errors import NotFoundError
from app.generation import (
    Generation,
    GenerationRequest,
    Job,
    JobEvent,
    JobFinished,
    JobStarted,
    JobStep,
    Picture,
    PictureSpec,
    Receipt,
    Task,
)
from app.service import DarkroomService
from app.storage.jobs import JobStore, Keeping, MemoryJobStore, RequestView
from app.telemetry.events import Event

Result = TypeVar("Result")


async def settle() -> None:
    """Let every task run until it waits for something that will not happen by itself."""
    for _ in range(40):
        await asyncio.sleep(0)


class FakeClock:
    """Epoch seconds that pass only when a test says so; `sleep` goes by them."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def __call__(self) -> float:
        """The time now, in seconds."""
        return self.now_s

    @property
    def sleepers(self) -> int:
        """How many still wait for their time."""
        return sum(1 for *_, woken in self._sleepers if not woken.done())

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has moved on by so many seconds."""
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._order), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move the clock, waking sleepers in order of their time."""
        until_s = self.now_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until_s:
            await self._wake_next()
        self.now_s = until_s

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of the work, with the clock moved on whenever everything waits for it."""
        task = asyncio.create_task(work)
        await settle()
        while not task.done():
            if not self._sleepers:
                task.cancel()
                raise TimeoutError("the work waits, but nothing is left that could wake it")
            await self._wake_next()
        return await task

    async def _wake_next(self) -> None:
        at_s, _, woken = heapq.heappop(self._sleepers)
        if woken.done():
            return
        self.now_s = max(self.now_s, at_s)
        woken.set_result(None)
        await settle()


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)

    def of(self, kind: type[Result]) -> list[Result]:
        """The events of one kind, in the order in which they came."""
        return [event for event in self.events if isinstance(event, kind)]


class MemoryBlobStore:
    """A blob store that is a dictionary."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key."""
        self.files[key] = data

    async def put_new(self, key: str, data: bytes) -> bool:
        """Store the bytes unless the key has a file; whether it had none."""
        is_new = key not in self.files
        self.files.setdefault(key, data)
        return is_new

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Store what arrives under the key, once it is complete."""
        self.files[key] = b"".join([chunk async for chunk in chunks])

    async def read_span(self, key: str, start: int, stop: int) -> bytes:
        """Some of the bytes under the key; raises NotFoundError."""
        return (await self.read(key))[start:stop]

    async def size(self, key: str) -> int:
        """How many bytes are under the key; raises NotFoundError."""
        return len(await self.read(key))

    async def keys(self, folder: str) -> tuple[str, ...]:
        """Every key below the folder, in order."""
        return tuple(sorted(key for key in self.files if key.startswith(f"{folder}/")))

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        try:
            return self.files[key]
        except KeyError as error:
            raise NotFoundError("no such file") from error

    async def exists(self, key: str) -> bool:
        """Whether `read` would find the key now."""
        return key in self.files

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        self.files.pop(key, None)

    async def direct_url(self, key: str, *, lifetime_s: float) -> str | None:
        """None: nobody else reads from a dictionary."""
        return None


def make_spec(**changes: Any) -> PictureSpec:
    """A small text-to-image picture, drawn to size unless told otherwise."""
    picture: dict[str, Any] = {"task": Task.TEXT_TO_IMAGE, "variant": "sketch", "prompt": "a dot", "steps": 4}
    size = {"width": 64, "height": 64, "native_width": 64, "native_height": 64}
    return PictureSpec(**(picture | size | changes))


def make_job(job_id: str, *, deadline_s: float = 1060.0, arrival_s: float = 1000.0, **changes: Any) -> Job:
    """A job; keyword arguments that a job does not have shape its picture."""
    own = {
        name: changes.pop(name)
        for name in ("start_by_s", "report_steps", "previews", "tier", "handling")
        if name in changes
    }
    return Job(job_id=job_id, spec=make_spec(**changes), arrival_s=arrival_s, deadline_s=deadline_s, **own)


def make_request(request_id: str = "request", **changes: Any) -> GenerationRequest:
    """A request for one picture; keyword arguments that a request does not have shape its picture."""
    fields = {field.name for field in dataclasses.fields(GenerationRequest)}
    own = {"tenant": "local", "endpoint": "fal-ai/flux/schnell"} | {
        name: changes.pop(name) for name in fields if name in changes
    }
    return GenerationRequest(request_id=request_id, spec=make_spec(**changes), **own)


def make_levels(
    blobs: MemoryBlobStore, *, max_entries: int = 100, shared: PictureRows | None = None, timeout_s: float = 10.0
) -> PictureLevels:
    """The levels of one process over files in memory."""
    memory = ExactCache(blobs=blobs, max_entries=max_entries)
    return PictureLevels(memory=memory, blobs=blobs, guard=CallGuard("files", timeout_s=timeout_s), shared=shared)


class FakeGenerator:
    """Makes every picture at once, unless the test holds it back.

    `may_start`, `may_finish` and `may_cancel` are events to clear and set; by seed, `errors` ends jobs and
    `stuck` keeps them from ending.
    """

    def __init__(self, blobs: MemoryBlobStore) -> None:
        self.runs: list[Job] = []
        self.cancelled: list[str] = []
        self.errors: dict[int, list[Exception]] = {}
        self.stuck: set[int] = set()
        self.may_start = asyncio.Event()
        self.may_finish = asyncio.Event()
        self.may_cancel = asyncio.Event()
        for event in (self.may_start, self.may_finish, self.may_cancel):
            event.set()
        self._blobs = blobs

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Go through the events of one job."""
        self.runs.append(job)
        await self.may_start.wait()
        yield JobStarted(job_id=job.job_id, replica="fake")
        if job.report_steps:
            for step in range(1, job.spec.steps + 1):
                yield JobStep(job_id=job.job_id, step=step, steps=job.spec.steps)
        await self.may_finish.wait()
        if job.spec.seed in self.stuck:
            await asyncio.Event().wait()
        if self.errors.get(job.spec.seed):
            raise self.errors[job.spec.seed].pop(0)
        yield JobFinished(job_id=job.job_id, picture=await self._picture(job.spec))

    async def _picture(self, spec: PictureSpec) -> Picture:
        key = f"picture-{spec.seed}.{spec.image_format.value}"
        await self._blobs.put(key, key.encode())
        return Picture(
            blob_key=key,
            width=spec.width,
            height=spec.height,
            image_format=spec.image_format,
            byte_count=len(key),
            receipt=Receipt(variant=spec.variant, steps=spec.steps, gpu_ms=10.0, denoise_s=0.01, replica="fake"),
        )

    async def cancel(self, job_id: str) -> bool:
        """Remember who was cancelled."""
        self.cancelled.append(job_id)
        await self.may_cancel.wait()
        return True


class ServiceBench:
    """A service over a fake generator, with everything it touches in reach."""

    def __init__(
        self,
        *,
        max_entries: int = 100,
        result_ttl_s: float = 3600.0,
        cache_limit: CacheLimit = CacheLimit.CANONICAL,
        now_s: float = 1000.0,
        shared: PictureRows | None = None,
        similar: SimilarPictures | None = None,
        blobs: MemoryBlobStore | None = None,
        open_jobs: Callable[[FakeClock], JobStore] | None = None,
    ) -> None:
        self.clock = FakeClock(now_s)
        in_memory = MemoryJobStore(Keeping(ttl_s=result_ttl_s, max_completed=100), clock=self.clock)
        self.recorder = Recorder()
        self.blobs = blobs or MemoryBlobStore()
        self.generator = FakeGenerator(self.blobs)
        self.service = DarkroomService(
            generator=self.generator,
            cache=make_levels(self.blobs, max_entries=max_entries, shared=shared),
            similar=similar,
            jobs=in_memory if open_jobs is None else open_jobs(self.clock),
            routing=RoutingSettings(),
            cache_limit=cache_limit,
            revision=lambda variant: f"{variant}@1",
            observe=self.recorder,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    async def ask(self, *requests: GenerationRequest) -> list[asyncio.Task[Generation]]:
        """Callers who wait for the answers to requests made in this order."""
        callers = []
        for request in requests:
            callers.append(asyncio.create_task(self.service.generate(request)))
            await settle()
        return callers

    async def completed(self, request_id: str) -> RequestView:
        """The last view of a queued request, once it is complete."""
        views = [view async for view in self.service.watch(request_id)]
        return views[-1]
