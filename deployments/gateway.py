"""The gateway's process: dialects, exact cache, single flight and queued requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus

import app.gateway
from app.config import DarkroomSettings
from app.storage.blobs import open_blobs
from deployments.handles import RouterHandle, SemanticCacheHandle
from deployments.readiness import Readiness
from deployments.reporting import ScalingReport
from deployments.telemetry import observer_of


class Gateway:
    """Builds the ASGI application once its handles exist."""

    def __init__(
        self, settings: DarkroomSettings, router: DeploymentHandle[Any], similar: DeploymentHandle[Any] | None = None
    ) -> None:
        self._gateway = app.gateway.Gateway(
            settings,
            generator=RouterHandle(router),
            blobs=open_blobs(settings.storage),
            observe=observer_of(settings.telemetry, service="gateway"),
            similar=None if similar is None else SemanticCacheHandle(similar),
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self._gateway.application(
            is_warm=Readiness(graph_is_running),
            scaling=ScalingReport(serve.get_replica_context().app_name),
            lifespan=self._at_work,
        )

    @asynccontextmanager
    async def _at_work(self, application: FastAPI) -> AsyncIterator[None]:
        try:
            await self._gateway.service.start()
            yield
        finally:
            await self._gateway.service.close()


def graph_is_running() -> bool:
    """Whether every deployment of this application has its replicas, which are ready only when warm."""
    name = serve.get_replica_context().app_name
    return bool(serve.status().applications[name].status == ApplicationStatus.RUNNING)
