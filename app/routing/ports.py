"""What the router needs from the outside: slots on replicas, and a stage that finishes pictures."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from app.generation import EngineEvent, Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A picture in the size and encoding asked for; `upscale_s` is the time that took."""

    blob_key: str
    byte_count: int
    upscale_s: float


class Slot(Protocol):
    """Room for jobs that start together on one replica, reserved until the acquisition is left."""

    @property
    def replica(self) -> str:
        """The name of the replica, unique within its pool."""
        ...

    def run(self, jobs: tuple[Job, ...]) -> AsyncIterator[EngineEvent]:
        """Run the jobs: ends after a JobDrawn or a JobFailed for each; raises when the replica is lost."""
        ...


class Pool(Protocol):
    """The replicas of one variant."""

    @property
    def slots(self) -> int:
        """How many acquisitions may be pending, or held without jobs, at once; follows the number of replicas."""
        ...

    def acquire(self) -> AbstractAsyncContextManager[Slot]:
        """Wait for a free slot and hold it; raises when no replica can be reached."""
        ...

    async def cancel(self, job_id: str) -> None:
        """Stop the job on whichever replica runs it; unknown jobs are ignored."""
        ...


class Finisher(Protocol):
    """The stage that turns a drawn or uploaded picture into the one that was asked for."""

    async def finish(self, job: Job, source_key: str) -> Finished:
        """Bring the picture under `source_key` to the job's size and encoding and store it; raises DarkroomError."""
        ...
