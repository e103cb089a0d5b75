"""What every gateway is made of, whatever draws its pictures: in the graph, or in one process."""

from functools import cache, partial

from fastapi import FastAPI
from starlette.types import Lifespan

from app.api.app import always_warm, create_app, nothing_else
from app.api.fetch import GuardedFetcher
from app.api.outbound import tls_transports
from app.api.ports import WarmCheck
from app.cache.exact import ExactCache, model_revision
from app.config import DarkroomSettings
from app.service import DarkroomService, Generator
from app.storage.blobs import BlobStore
from app.storage.jobs import open_jobs
from app.storage.secret import open_secret
from app.telemetry.events import Observer


class Gateway:
    """The service and the HTTP application over a generator; `service` has to be started and closed."""

    def __init__(
        self, settings: DarkroomSettings, *, generator: Generator, blobs: BlobStore, observe: Observer
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._jobs = open_jobs(settings.storage)
        self.service = DarkroomService(
            generator=generator,
            cache=ExactCache(
                blobs=blobs, max_entries=settings.cache.max_entries, tenant_bytes=settings.cache.tenant_bytes
            ),
            jobs=self._jobs,
            routing=settings.routing,
            cache_limit=settings.cache.level,
            revision=cache(partial(model_revision, settings)),
            observe=observe,
            lease_s=settings.storage.lease_s,
            max_attempts=settings.storage.max_attempts,
        )

    def application(self, *, is_warm: WarmCheck = always_warm, lifespan: Lifespan[FastAPI] = nothing_else) -> FastAPI:
        """The HTTP application; raises ConfigurationError when its secret cannot be had."""
        open_transport = tls_transports()
        return create_app(
            service=self.service,
            blobs=self._blobs,
            fetcher=GuardedFetcher(settings=self._settings.fetch, blobs=self._blobs, open_transport=open_transport),
            settings=self._settings,
            secret=open_secret(self._settings.storage),
            outbox=self._jobs,
            open_transport=open_transport,
            is_warm=is_warm,
            lifespan=lifespan,
        )
