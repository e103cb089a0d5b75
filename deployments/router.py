"""The router's process: one writer per queue."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from ray.serve.handle import DeploymentHandle

from app.config import DarkroomSettings, RoutingSettings
from app.generation import Job, JobEvent
from app.routing.router import Router
from deployments.handles import UpscalerHandle
from deployments.options import idle_slots
from deployments.pool import ReplicaPool
from deployments.telemetry import observer_of


class RouterShell:
    """Gives `app.routing.router.Router` its handles; live settings arrive through `reconfigure`."""

    def __init__(
        self,
        settings: DarkroomSettings,
        models: Mapping[str, DeploymentHandle[Any]],
        upscaler: DeploymentHandle[Any],
    ) -> None:
        def pool(variant: str) -> ReplicaPool:
            return ReplicaPool(models[variant], slots=idle_slots(settings.variants[variant]))

        self._router = Router(
            pools={variant: pool(variant) for variant in models},
            max_batch={variant: settings.variants[variant].max_batch for variant in models},
            finisher=UpscalerHandle(upscaler),
            settings=settings.routing,
            observe=observer_of(settings.telemetry, service="router"),
        )

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take new live settings without a restart."""
        self._router.reconfigure(RoutingSettings.model_validate(user_config))

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Make one picture; see `app.service.Generator`."""
        async for event in self._router.run(job):
            yield event

    async def cancel(self, job_id: str) -> bool:
        """Stop a job; true when it was waiting or running."""
        return await self._router.cancel(job_id)
