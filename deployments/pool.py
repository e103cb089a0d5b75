"""The replicas of one variant behind the router's ports: slots are reserved first and filled last."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ray.serve.handle import DeploymentHandle

from app.generation import EngineEvent, Job
from app.routing.ports import Slot
from deployments.plain_errors import plain_errors


@dataclass(frozen=True, slots=True)
class ReplicaSlot:
    """Reserved room for jobs that start together on one model replica."""

    handle: DeploymentHandle[Any]
    selection: Any

    @property
    def replica(self) -> str:
        """The replica's name."""
        return str(self.selection.replica_id)

    async def run(self, jobs: tuple[Job, ...]) -> AsyncIterator[EngineEvent]:
        """Run the jobs on the reserved replica."""
        with plain_errors():
            async for event in self.handle.dispatch(self.selection, jobs):
                yield event


class ReplicaPool:
    """The replicas of one variant; `slots` acquisitions may be pending, or held without jobs, at once."""

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
