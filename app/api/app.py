"""The HTTP application: fal's dialect, finished pictures and health, over one service."""

import secrets
import uuid
from collections.abc import Callable
from typing import cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.errors import error_response
from app.api.fal.catalogue import CatalogueRoutes
from app.api.fal.dialect import Dialect
from app.api.fal.direct import DirectRoutes
from app.api.fal.endpoints import EndpointTable
from app.api.fal.outputs import Answers
from app.api.fal.queue import QueueRoutes
from app.api.fal.sources import SourcePictures
from app.api.fal.translate import Translator
from app.api.files import FileRoutes
from app.api.health import HealthRoutes
from app.api.middleware import LastResort, RequestIdentity
from app.api.ports import Fetcher, Service, WarmCheck
from app.config import DarkroomSettings
from app.errors import DarkroomError
from app.storage.blobs import BlobStore

_SEEDS = 2**32
_EXPOSED_HEADERS = (
    "x-fal-request-id",
    "x-fal-error-type",
    "x-fal-request-timeout-type",
    "x-fal-billable-units",
    "x-fal-retryable",
    "x-fal-needs-retry",
    "retry-after",
)


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
    is_warm: WarmCheck = always_warm,
    draw_seed: Callable[[], int] = random_seed,
    new_id: Callable[[], str] = random_id,
) -> FastAPI:
    """The application; randomness is passed in so that tests can foresee ids and seeds."""
    sources = SourcePictures(fetcher=fetcher, blobs=blobs, settings=settings.fetch)
    dialect = Dialect(
        service=service,
        endpoints=EndpointTable(settings),
        translator=Translator(sources=sources, draw_seed=draw_seed),
        answers=Answers(blobs),
        settings=settings.server,
    )
    app = FastAPI(title="Darkroom", openapi_url=None, redirect_slashes=False, middleware=_middleware(new_id))
    app.add_exception_handler(DarkroomError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    HealthRoutes(is_warm).add_to(app)
    FileRoutes(blobs).add_to(app)
    CatalogueRoutes(dialect).add_to(app)
    QueueRoutes(dialect).add_to(app)
    DirectRoutes(dialect).add_to(app)
    return app


def _middleware(new_id: Callable[[], str]) -> list[Middleware]:
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
    ]


async def _answer_error(request: Request, error: Exception) -> Response:
    return error_response(cast(DarkroomError, error))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    refusal = cast(HTTPException, error)
    return JSONResponse({"detail": refusal.detail}, status_code=refusal.status_code, headers=refusal.headers)
