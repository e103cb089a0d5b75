"""The upscaler's process: brings stored pictures to the size that was asked for."""

from app.builtin.upscaler import load_upscaler
from app.config import DarkroomSettings
from app.generation import Job
from app.inference.finishing import FinishingStage
from app.inference.upscaling import build_upscaler
from app.routing.ports import Finished
from app.storage import keys
from app.storage.blobs import open_blobs
from deployments.telemetry import observer_of


class UpscalerShell:
    """Gives `app.inference.finishing.FinishingStage` its network and its blob store."""

    def __init__(self, settings: DarkroomSettings) -> None:
        self._stage = FinishingStage(
            build_upscaler(settings.upscaler, load_builtin=load_upscaler),
            blobs=open_blobs(settings.storage),
            keys=keys,
            observer=observer_of(settings.telemetry, service="upscaler"),
        )

    async def finish(self, job: Job, source_key: str) -> Finished:
        """See `app.routing.ports.Finisher`."""
        finished = await self._stage.finish(job, source_key)
        return Finished(blob_key=finished.blob_key, byte_count=finished.byte_count, upscale_s=finished.upscale_s)
