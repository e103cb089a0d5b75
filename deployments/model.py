"""A model replica's process: one host of variants, one device, one engine."""

from collections.abc import AsyncIterator

from ray import serve

from app.config import DarkroomSettings
from app.generation import EngineEvent, Job
from app.inference.building import build_engine
from app.storage import keys
from app.storage.blobs import open_blobs
from deployments.telemetry import observer_of


class Model:
    """Gives `app.inference.engine.front.StepEngine` its process; ready means warm."""

    async def __init__(self, variants: tuple[str, ...], settings: DarkroomSettings) -> None:  # type: ignore[misc] # Serve awaits it
        replica = serve.get_replica_context().replica_id.unique_id
        self._engine = await build_engine(
            {name: settings.variants[name] for name in variants},
            blobs=open_blobs(settings.storage),
            keys=keys,
            replica=replica,
            observer=observer_of(settings.telemetry, service=f"model-{variants[0]}-{replica}"),
        )

    async def run(self, jobs: tuple[Job, ...]) -> AsyncIterator[EngineEvent]:
        """Draw the jobs; see `app.routing.ports.Slot`."""
        async for event in self._engine.run(jobs):
            yield event

    def check_health(self) -> None:
        """Serve's question whether this replica still works; raises when its device's thread is gone."""
        if not self._engine.is_alive:
            raise RuntimeError("the thread that owns the device has ended")

    def cancel(self, job_id: str) -> bool:
        """Drop a job at its next step; false when this replica does not have it."""
        return self._engine.cancel(job_id)
