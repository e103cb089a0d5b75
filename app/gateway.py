"""What every gateway is made of, whatever draws its pictures: in the graph, or in one process."""

from functools import cache, partial

from fastapi import FastAPI
from starlette.types import Lifespan

from app.api.app import always_warm, create_app, nothing_else
from app.api.fetch import GuardedFetcher
from app.api.outbound import tls_transports
from app.api.ports import WarmCheck
from app.api.scaling import ScalingView, nothing_scales
from app.cache.exact import model_revision
from app.cache.similar.ports import SimilarPictures
from app.caching import CacheOperations, open_levels
from app.config import DarkroomSettings
from app.service import DarkroomService, Generator
from app.storage.blobs import BlobStore
from app.storage.opening import open_stores
from app.storage.secret import open_secret
from app.telemetry.events import Observer
from app.tenants.access import check_keys_can_be_kept
from app.tenants.tenancy import open_tenancy


class Gateway:
    """The service and the HTTP application over a generator; `service` has to be started and closed.

    Raises ConfigurationError for a server that nobody could call.
    """

    def __init__(
        self,
        settings: DarkroomSettings,
        *,
        generator: Generator,
        blobs: BlobStore,
        observe: Observer,
        similar: SimilarPictures | None = None,
    ) -> None:
        check_keys_can_be_kept(settings)
        self._settings = settings
        self._blobs = blobs
        stores = open_stores(settings.storage)
        self._jobs = stores.jobs
        self._tenancy = open_tenancy(stores.tenants, settings.auth)
        levels = open_levels(settings.cache, blobs)
        self._cache = CacheOperations(levels=levels, similar=similar, blobs=blobs)
        self.service = DarkroomService(
            generator=generator,
            cache=levels,
            similar=similar,
            jobs=self._jobs,
            admission=self._tenancy.ledger,
            routing=settings.routing,
            cache_limit=settings.cache.level,
            revision=cache(partial(model_revision, settings)),
            observe=observe,
            lease_s=settings.storage.lease_s,
            max_attempts=settings.storage.max_attempts,
        )

    def application(
        self,
        *,
        is_warm: WarmCheck = always_warm,
        scaling: ScalingView = nothing_scales,
        lifespan: Lifespan[FastAPI] = nothing_else,
    ) -> FastAPI:
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
            scaling=scaling,
            tenancy=self._tenancy,
            cache=self._cache,
            lifespan=lifespan,
        )
