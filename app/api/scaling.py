"""How many replicas every deployment has, shall have, and why."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

ScalingView = Callable[[], Awaitable[Mapping[str, Any] | None]]


async def nothing_scales() -> Mapping[str, Any]:
    """The view of a single process, which has no replicas."""
    return {
        "at_s": time.time(),
        "mode": "off",
        "problem": "one process serves alone, so nothing scales",
        "deployments": {},
        "decisions": [],
    }


class ScalingRoutes:
    """`GET /scaling`: every deployment's target with its terms, and the last changes with their reasons."""

    def __init__(self, view: ScalingView) -> None:
        self._view = view

    def add_to(self, app: Starlette) -> None:
        """Add the route."""
        app.add_route("/scaling", self.scaling, methods=["GET"])

    async def scaling(self, request: Request) -> Response:
        """The latest plan, or 503 while nobody makes one."""
        report = await self._view()
        if report is None:
            detail = "the forecaster does not answer; replicas stay as they are"
            return JSONResponse({"detail": detail}, status_code=503, headers={"Retry-After": "1"})
        return JSONResponse(report)
