"""What a tenant has used of what it may."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.caller import identity_of
from app.config import QuotaSettings
from app.tenants.ledger import Ledger
from app.tenants.quotas import Usage


class UsageRoutes:
    """`GET /usage`, for the caller's own tenant."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add_to(self, app: Starlette) -> None:
        """Add the route."""
        app.add_route("/usage", self.usage, methods=["GET"])

    async def usage(self, request: Request) -> Response:
        """What was used in the window that ends now, and the limits, null where there is none."""
        tenant = identity_of(request).tenant
        return JSONResponse({"tenant": tenant, **usage_body(*await self._ledger.usage(tenant))})


def usage_body(quota: QuotaSettings, usage: Usage) -> dict[str, Any]:
    """Limits and use side by side."""
    used = {
        "requests": usage.requests,
        "gpu_seconds": round(usage.gpu_s, 3),
        "concurrent": usage.under_way,
        "stored_bytes": usage.stored_bytes,
    }
    limits = quota.model_dump()
    body: dict[str, Any] = {name: {"used": value, "limit": limits[name]} for name, value in used.items()}
    return {"window_s": quota.window_s, **body}
