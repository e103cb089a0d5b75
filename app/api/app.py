"""The HTTP application: fal's dialect, finished pictures and health, over one service."""

import asyncio
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Lifespan

from app.api.adapted import AdaptedPictures
from app.api.audit import AuditTrail
from app.api.batches.director import KIND as BATCH
from app.api.batches.director import BatchDirector
from app.api.batches.orders import Orders
from app.api.batches.routes import BatchRoutes
from app.api.cache import CacheAdmin, CacheRoutes
from app.api.deletion import DeletionRoutes
from app.api.doorkeeper import Doorkeeper
from app.api.errors import error_response
from app.api.fal.access import RealtimeAccess, TokenRoutes
from app.api.fal.catalogue import CatalogueRoutes
from app.api.fal.dialect import Dialect
from app.api.fal.direct import DirectRoutes
from app.api.fal.endpoints import EndpointTable
from app.api.fal.hosts import FalHosts
from app.api.fal.key_set import KeySetRoutes
from app.api.fal.news import webhook_body
from app.api.fal.outputs import Answers
from app.api.fal.queue import QueueRoutes
from app.api.fal.realtime import RealtimeRoutes
from app.api.fal.sources import SourcePictures
from app.api.fal.storage import StorageRoutes
from app.api.fal.translate import Translator
from app.api.fal.workflow_director import KIND as WORKFLOW
from app.api.fal.workflow_director import WorkflowDirector
from app.api.fal.workflow_routes import WorkflowRoutes
from app.api.fal.workflow_table import WorkflowTable
from app.api.files import FileRoutes
from app.api.gate import Gate
from app.api.health import HealthRoutes
from app.api.middleware import LastResort, RequestIdentity
from app.api.openai.routes import OpenAIRoutes
from app.api.outbound import TargetGuard, TransportFactory
from app.api.ports import Fetcher, Service, WarmCheck
from app.api.scaling import ScalingRoutes, ScalingView, nothing_scales
from app.api.tenant_work import with_tenancy
from app.api.tokens import Tokens
from app.api.uploads import Uploads
from app.api.usage import UsageRoutes
from app.api.webhooks.courier import Courier
from app.api.webhooks.signing import WebhookKey
from app.config import DarkroomSettings, StorageSettings, WebhookSettings
from app.errors import DarkroomError
from app.storage.blobs import BlobStore
from app.storage.jobs import Outbox
from app.storage.tenants import MemoryTenantStore
from app.tenants.ledger import Ledger
from app.tenants.tenancy import Tenancy, open_tenancy

_SEEDS = 2**32
_EXPOSED_HEADERS = (
    "x-fal-request-id",
    "x-fal-error-type",
    "x-fal-request-timeout-type",
    "x-fal-billable-units",
    "x-fal-retryable",
    "x-fal-needs-retry",
    "retry-after",
    "etag",
)


@asynccontextmanager
async def nothing_else(app: FastAPI) -> AsyncIterator[None]:
    """For applications whose parts live longer than they do."""
    yield


async def always_warm() -> bool:
    """For applications that are built only after every model is warm."""
    return True


def random_seed() -> int:
    """A seed for a request that names none."""
    return secrets.randbelow(_SEEDS)


def random_id() -> str:
    """An id for a request, unique on every server."""
    return str(uuid.uuid4())


def create_app(
    *,
    service: Service,
    blobs: BlobStore,
    fetcher: Fetcher,
    settings: DarkroomSettings,
    secret: bytes,
    outbox: Outbox,
    open_transport: TransportFactory,
    is_warm: WarmCheck = always_warm,
    scaling: ScalingView = nothing_scales,
    tenancy: Tenancy | None = None,
    cache: CacheAdmin | None = None,
    draw_seed: Callable[[], int] = random_seed,
    new_id: Callable[[], str] = random_id,
    clock: Callable[[], float] = time.time,
    lifespan: Lifespan[FastAPI] = nothing_else,
) -> FastAPI:
    """The application; randomness and time are passed in so that tests can foresee them.

    The secret signs tokens and webhooks; servers that share it take each other's. As long as the
    application lives, what is in the outbox goes over `open_transport` to webhooks.
    """
    sources = SourcePictures(fetcher=fetcher, blobs=blobs, settings=settings.fetch)
    dialect = Dialect(
        service=service,
        endpoints=EndpointTable(settings),
        translator=Translator(sources=sources, draw_seed=draw_seed),
        answers=Answers(blobs),
        adapted=(adapted := AdaptedPictures(blobs)),
        settings=settings.server,
    )
    key = WebhookKey(secret)
    courier = _courier(dialect, settings.webhooks, key=key, outbox=outbox, open_transport=open_transport, clock=clock)
    tenancy = tenancy or open_tenancy(MemoryTenantStore(), settings.auth, clock=clock)
    tokens = Tokens(secret, clock=clock)
    doorkeeper = Doorkeeper(ring=tenancy.ring, tokens=tokens, secret=secret, settings=settings)
    app = FastAPI(
        title="Darkroom",
        openapi_url=None,
        redirect_slashes=False,
        middleware=_middleware(new_id, doorkeeper=doorkeeper, trail=AuditTrail(tenancy.notebook, clock=clock)),
        lifespan=with_courier(with_tenancy(lifespan, tenancy), courier),
    )
    app.add_exception_handler(DarkroomError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    HealthRoutes(is_warm).add_to(app)
    ScalingRoutes(scaling).add_to(app)
    if cache is not None:
        CacheRoutes(cache).add_to(app)
    KeySetRoutes(key).add_to(app)
    FileRoutes(blobs, adapted, clock=clock).add_to(app)
    DeletionRoutes(blobs, tenancy.ledger, clock=clock).add_to(app)
    uploads = _uploads(settings.storage, blobs, clock=clock)
    _add_belongings(app, dialect, uploads, tokens=tokens, doorkeeper=doorkeeper, ledger=tenancy.ledger)
    access = RealtimeAccess(tokens)
    workflows = WorkflowTable(settings.workflows, dialect.endpoints)
    _add_compounds(app, dialect, workflows, access=access, orders=Orders(dialect.endpoints, fetcher), blobs=blobs)
    _add_calls(app, dialect, access=access, blobs=blobs, new_id=new_id)
    return app


def _uploads(settings: StorageSettings, blobs: BlobStore, *, clock: Callable[[], float]) -> Uploads:
    return Uploads(blobs, max_bytes=settings.max_upload_bytes, ttl_s=settings.upload_ttl_s, clock=clock)


def _add_belongings(
    app: FastAPI, dialect: Dialect, uploads: Uploads, *, tokens: Tokens, doorkeeper: Doorkeeper, ledger: Ledger
) -> None:
    """Add what is of tenants: their uploads, and what they have used."""
    UsageRoutes(ledger).add_to(app)
    StorageRoutes(
        uploads=uploads,
        tokens=tokens,
        doorkeeper=doorkeeper,
        ledger=ledger,
        cdn=lambda request: dialect.addresses(request).cdn,
    ).add_to(app)


def _courier(
    dialect: Dialect,
    settings: WebhookSettings,
    *,
    key: WebhookKey,
    outbox: Outbox,
    open_transport: TransportFactory,
    clock: Callable[[], float],
) -> Courier:
    return Courier(
        outbox=outbox,
        body_of=partial(webhook_body, dialect),
        key=key,
        settings=settings,
        guard=TargetGuard(allow_private_addresses=settings.allow_private_addresses),
        open_transport=open_transport,
        clock=clock,
    )


def _add_compounds(
    app: FastAPI,
    dialect: Dialect,
    workflows: WorkflowTable,
    *,
    access: RealtimeAccess,
    orders: Orders,
    blobs: BlobStore,
) -> None:
    """Add what is made of other requests, and let those that are queued be directed."""
    dialect.service.direct(WORKFLOW, WorkflowDirector(dialect, workflows).direct)
    dialect.service.direct(BATCH, BatchDirector(dialect, blobs).direct)
    WorkflowRoutes(dialect, workflows, access).add_to(app)
    CatalogueRoutes(dialect, workflows).add_to(app)
    BatchRoutes(dialect, orders, blobs).add_to(app)


def _add_calls(
    app: FastAPI, dialect: Dialect, *, access: RealtimeAccess, blobs: BlobStore, new_id: Callable[[], str]
) -> None:
    """Add what makes pictures; the direct routes take every path that is left, so they are last."""
    TokenRoutes(access).add_to(app)
    RealtimeRoutes(dialect, access, new_id=new_id).add_to(app)
    QueueRoutes(dialect).add_to(app)
    OpenAIRoutes(dialect, blobs).add_to(app)
    DirectRoutes(dialect, access).add_to(app)


def with_courier(lifespan: Lifespan[FastAPI], courier: Courier) -> Lifespan[FastAPI]:
    """The lifespan, with the courier at work inside it."""

    @asynccontextmanager
    async def at_work(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app):
            task = asyncio.create_task(courier.run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return at_work


def _middleware(new_id: Callable[[], str], *, doorkeeper: Doorkeeper, trail: AuditTrail) -> list[Middleware]:
    return [
        Middleware(RequestIdentity, new_id=new_id),
        Middleware(
            CORSMiddleware,
            allow_origins=["*"],
            allow_methods=["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"],
            allow_headers=["*"],
            expose_headers=_EXPOSED_HEADERS,
        ),
        Middleware(LastResort),
        Middleware(FalHosts),
        Middleware(Gate, doorkeeper=doorkeeper, trail=trail),
    ]


async def _answer_error(request: Request, error: Exception) -> Response:
    return error_response(cast(DarkroomError, error))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    refusal = cast(HTTPException, error)
    return JSONResponse({"detail": refusal.detail}, status_code=refusal.status_code, headers=refusal.headers)
