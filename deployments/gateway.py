"""The gateway's process: dialects, exact cache, single flight and queued requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus

from app.api.app import create_app
from app.api.fetch import GuardedFetcher
from app.api.outbound import tls_transports
from app.cache.exact import ExactCache, model_revision
from app.config import DarkroomSettings
from app.service import DarkroomService
from app.storage.blobs import open_blobs
from app.storage.jobs import open_jobs
from app.storage.secret import open_secret
from deployments.handles import RouterHandle
from deployments.telemetry import observer_of


class Gateway:
    """Builds the ASGI application once its handles exist."""

    def __init__(self, settings: DarkroomSettings, router: DeploymentHandle[Any]) -> None:
        self._settings = settings
        self._blobs = open_blobs(settings.storage)
        self._jobs = open_jobs(settings.storage)
        self._service = DarkroomService(
            generator=RouterHandle(router),
            cache=ExactCache(
                blobs=self._blobs,
                max_entries=settings.cache.max_entries,
                tenant_bytes=settings.cache.tenant_bytes,
            ),
            jobs=self._jobs,
            routing=settings.routing,
            cache_limit=settings.cache.level,
            revision=cache(partial(model_revision, settings)),
            observe=observer_of(settings.telemetry, service="gateway"),
            lease_s=settings.storage.lease_s,
            max_attempts=settings.storage.max_attempts,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        open_transport = tls_transports()
        fetcher = GuardedFetcher(settings=self._settings.fetch, blobs=self._blobs, open_transport=open_transport)
        return create_app(
            service=self._service,
            blobs=self._blobs,
            fetcher=fetcher,
            settings=self._settings,
            secret=open_secret(self._settings.storage),
            outbox=self._jobs,
            open_transport=open_transport,
            is_warm=graph_is_running,
            lifespan=self._at_work,
        )

    @asynccontextmanager
    async def _at_work(self, app: FastAPI) -> AsyncIterator[None]:
        try:
            await self._service.start()
            yield
        finally:
            await self._service.close()


async def graph_is_running() -> bool:
    """Whether every deployment of this application has its replicas, which are ready only when warm."""
    name = serve.get_replica_context().app_name
    status = await asyncio.to_thread(serve.status)
    return bool(status.applications[name].status == ApplicationStatus.RUNNING)
