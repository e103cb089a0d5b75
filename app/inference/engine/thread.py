"""The thread that owns the device."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from app.errors import GenerationFailedError, JobCancelledError
from app.inference.engine.jobs import EngineJob
from app.inference.engine.loop import StepLoop
from app.inference.engine.memory import DeviceMemory
from app.telemetry.events import MemoryObserved, Observer

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

IDLE_S = 30.0


class DeviceThread:
    """Ticks the loop while it has jobs, takes new ones in between, and tidies the memory when idle."""

    def __init__(
        self,
        loop: StepLoop,
        *,
        memory: DeviceMemory,
        replica: str,
        observe: Observer,
        idle_s: float = IDLE_S,
    ) -> None:
        self._loop = loop
        self._memory = memory
        self._replica = replica
        self._observe = observe
        self._idle_s = idle_s
        self._inbox: queue.SimpleQueue[EngineJob | Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread still works."""
        return self._thread.is_alive()

    def submit(self, work: EngineJob) -> None:
        """Take a job in at the next step boundary."""
        self._inbox.put(work)

    async def call(self, function: Callable[[], Result]) -> Result:
        """The function's result, computed on the device's thread between two steps."""
        future: Future[Result] = Future()
        self._inbox.put(lambda: _resolve(future, function))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Stop after the step under way; jobs that are left end with JobCancelledError."""
        self._inbox.put(None)

    def _run(self) -> None:
        while self._take_in():
            try:
                self._loop.tick()
            except Exception:
                logger.exception("the engine failed between two steps; its jobs are given up")
                self._loop.abandon(GenerationFailedError("the picture could not be made"))
        self._loop.abandon(JobCancelledError("the server is shutting down"))

    def _take_in(self) -> bool:
        """Everything that waits outside; without jobs, wait for some. False when it is time to stop."""
        while True:
            try:
                message = self._inbox.get(block=not len(self._loop), timeout=self._idle_s)
            except queue.Empty:
                if len(self._loop):
                    return True
                self._tidy()
                continue
            if message is None:
                return False
            if isinstance(message, EngineJob):
                self._loop.add(message)
            else:
                message()

    def _tidy(self) -> None:
        self._memory.trim()
        state = self._memory.state()
        self._observe(
            MemoryObserved(
                replica=self._replica,
                allocated_bytes=state.allocated,
                reserved_bytes=state.reserved,
                free_bytes=state.free,
                fragmentation=state.fragmentation,
            )
        )


def _resolve(future: "Future[Result]", function: Callable[[], Result]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)
