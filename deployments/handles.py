"""Ray Serve handles behind the ports that `app` declares; Ray's wrappers are taken off every error."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from app.errors import DarkroomError, OverloadedError, ReplicaLostError
from app.generation import BatchEvent, Job, JobEvent
from app.routing.ports import Finished, Slot

RETRY_AFTER_S = 1.0


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise our own errors as themselves, and a lost process as ReplicaLostError."""
    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, DarkroomError):
            raise error.cause from None
        raise
    except BackPressureError as error:
        raise OverloadedError("the server is at its limit", RETRY_AFTER_S) from error
    except (RayActorError, DeploymentUnavailableError, RayServeException) as error:
        raise ReplicaLostError("the process that made the picture was lost") from error


class RouterHandle:
    """The router deployment as the service's Generator."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle
        self._stream = handle.options(stream=True)

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Make one picture in the router; events arrive as they happen."""
        with plain_errors():
            async for event in self._stream.run.remote(job):
                yield event

    async def cancel(self, job_id: str) -> bool:
        """Stop a job wherever it is."""
        with plain_errors():
            return bool(await self._handle.cancel.remote(job_id))


@dataclass(frozen=True, slots=True)
class ReplicaSlot:
    """Reserved room for one batch on one model replica."""

    handle: DeploymentHandle[Any]
    selection: Any

    @property
    def replica(self) -> str:
        """The replica's name."""
        return str(self.selection.replica_id)

    async def run(self, jobs: tuple[Job, ...]) -> AsyncIterator[BatchEvent]:
        """Run one batch on the reserved replica."""
        with plain_errors():
            async for event in self.handle.dispatch(self.selection, jobs):
                yield event


class ReplicaPool:
    """The replicas of one variant; `slots` acquisitions may be pending or held at once."""

    def __init__(self, handle: DeploymentHandle[Any], *, slots: int) -> None:
        self._handle = handle
        self._stream = handle.options(stream=True, method_name="run")
        self.slots = slots

    def acquire(self) -> AbstractAsyncContextManager[Slot]:
        """Reserve room on the least loaded replica, waiting until there is some."""
        return self._acquire()

    @asynccontextmanager
    async def _acquire(self) -> AsyncIterator[Slot]:
        with plain_errors():
            async with self._stream.choose_replica() as selection:
                yield ReplicaSlot(self._stream, selection)

    async def cancel(self, job_id: str) -> None:
        """Tell every replica to drop the job at its next step."""
        with plain_errors():
            await self._handle.broadcast("cancel", job_id).results_async()


class UpscalerHandle:
    """The upscaler deployment as the router's Finisher."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def finish(self, job: Job, source_key: str) -> Finished:
        """Bring a stored picture to the job's size and encoding."""
        with plain_errors():
            finished: Finished = await self._handle.finish.remote(job, source_key)
            return finished
