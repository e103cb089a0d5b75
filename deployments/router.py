"""The router's process: one writer per queue."""

from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from app.autoscaling.live.counts import Counts
from app.autoscaling.live.fleet import UPSCALER_NAME
from app.autoscaling.live.tally import StageTally, Tally
from app.config import DarkroomSettings, RoutingSettings
from app.generation import Job, JobEvent
from app.routing.router import Router
from deployments.handles import UpscalerHandle
from deployments.options import idle_slots
from deployments.pool import ReplicaPool
from deployments.reporting import CountedFinisher, Reporter
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

        self._hosts = {variant: settings.variants[variant].host or variant for variant in models}
        self._tallies = {host: Tally() for host in settings.hosts}
        self._stage = StageTally()
        self._router = Router(
            pools={variant: pool(variant) for variant in models},
            max_batch={variant: settings.variants[variant].max_batch for variant in models},
            finisher=CountedFinisher(UpscalerHandle(upscaler), self._stage),
            settings=settings.routing,
            observe=observer_of(settings.telemetry, service="router"),
        )
        Reporter(serve.get_replica_context().app_name, self._counts).start()

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take new live settings without a restart."""
        self._router.reconfigure(RoutingSettings.model_validate(user_config))

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Make one picture; see `app.service.Generator`."""
        host = self._hosts.get(job.spec.variant)
        with self._tallies[host].job(job) if host else nullcontext(_ignore) as saw:
            async for event in self._router.run(job):
                saw(event)
                yield event

    async def cancel(self, job_id: str) -> bool:
        """Stop a job; true when it was waiting or running."""
        return await self._router.cancel(job_id)

    def _counts(self) -> dict[str, Counts]:
        """What the forecaster is told, by the names of its members."""
        return {host: tally.counts for host, tally in self._tallies.items()} | {UPSCALER_NAME: self._stage.counts}


def _ignore(event: JobEvent) -> None:
    """For jobs that no model draws."""
