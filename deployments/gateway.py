"""The gateway's process: dialects, exact cache, single flight and queued requests."""

import asyncio
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
from deployments.handles import RouterHandle
from deployments.telemetry import observer_of


class Gateway:
    """Builds the ASGI application once its handles exist."""

    def __init__(self, settings: DarkroomSettings, router: DeploymentHandle[Any]) -> None:
        self._gateway = app.gateway.Gateway(
            settings,
            generator=RouterHandle(router),
            blobs=open_blobs(settings.storage),
            observe=observer_of(settings.telemetry, service="gateway"),
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self._gateway.application(is_warm=graph_is_running, lifespan=self._at_work)

    @asynccontextmanager
    async def _at_work(self, application: FastAPI) -> AsyncIterator[None]:
        try:
            await self._gateway.service.start()
            yield
        finally:
            await self._gateway.service.close()


async def graph_is_running() -> bool:
    """Whether every deployment of this application has its replicas, which are ready only when warm."""
    name = serve.get_replica_context().app_name
    status = await asyncio.to_thread(serve.status)
    return bool(status.applications[name].status == ApplicationStatus.RUNNING)
