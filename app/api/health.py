"""Whether the process lives, and whether its models are warm."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.ports import WarmCheck


class HealthRoutes:
    """`/health` answers as long as the process does; `/ready` answers 503 until every model is warm."""

    def __init__(self, is_warm: WarmCheck) -> None:
        self._is_warm = is_warm

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        app.add_route("/health", self.health, methods=["GET"])
        app.add_route("/ready", self.ready, methods=["GET"])

    async def health(self, request: Request) -> Response:
        """The process lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """The models are warm, or they are not yet."""
        if await self._is_warm():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "warming"}, status_code=503, headers={"Retry-After": "1"})
