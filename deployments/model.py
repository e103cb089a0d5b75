"""A model replica's process: one variant, one device, one engine."""

from collections.abc import AsyncIterator

from ray import serve

from app.config import DarkroomSettings
from app.generation import BatchEvent, Job
from app.inference.building import build_engine
from app.storage import keys
from app.storage.blobs import open_blobs
from deployments.telemetry import observer_of


class Model:
    """Gives `app.inference.engine.BatchEngine` its process; ready means warm."""

    async def __init__(self, variant: str, settings: DarkroomSettings) -> None:  # type: ignore[misc] # Serve awaits it
        replica = serve.get_replica_context().replica_id.unique_id
        self._engine = await build_engine(
            variant,
            settings.variants[variant],
            blobs=open_blobs(settings.storage),
            keys=keys,
            replica=replica,
            observer=observer_of(settings.telemetry, service=f"model-{variant}-{replica}"),
        )

    async def run(self, jobs: tuple[Job, ...]) -> AsyncIterator[BatchEvent]:
        """Draw one batch; see `app.routing.ports.Slot`."""
        async for event in self._engine.run(jobs):
            yield event

    def cancel(self, job_id: str) -> bool:
        """Drop a job at its next step; false when this replica does not have it."""
        return self._engine.cancel(job_id)
