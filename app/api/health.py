"""Whether the process lives, and whether its models are warm."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.api.ports import WarmCheck


def health_router(is_warm: WarmCheck) -> APIRouter:
    """`/health` answers as long as the process does; `/ready` answers 503 until every model is warm."""
    router = APIRouter()

    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    async def ready() -> Response:
        if await is_warm():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "warming"}, status_code=503, headers={"Retry-After": "1"})

    router.add_api_route("/health", health, methods=["GET", "HEAD"])
    router.add_api_route("/ready", ready, methods=["GET", "HEAD"])
    return router
