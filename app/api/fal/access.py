"""Tokens for realtime connections and streams of browsers, which cannot send a key."""

from collections.abc import Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.body import parse_object, read_body
from app.api.caller import identity_of
from app.api.doorkeeper import claims_of
from app.api.tokens import Purpose, Tokens
from app.errors import BadRequestError, UnauthorizedError
from app.tenants.identity import LOCAL, Identity

USUAL_LIFETIME_S = 120
LONGEST_LIFETIME_S = 3600
_MAX_JSON_BYTES = 100_000


class RealtimeAccess:
    """Gives out tokens for some apps, and checks them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def grant(self, apps: Iterable[str], lifetime_s: float, *, identity: Identity = LOCAL) -> str:
        """A token for these apps: whole endpoint ids, the beginnings of some, or aliases alone.

        What is done with it is done in the name of the identity, as long as its key is good.
        """
        claims = claims_of(identity)
        return self._tokens.issue(Purpose.REALTIME, lifetime_s=lifetime_s, apps=list(apps), **claims)[0]

    def check(self, token: str | None, endpoint_id: str) -> None:
        """Raises UnauthorizedError for a token that does not open the endpoint; a call without one is as any other."""
        if token is None:
            return
        apps = self._tokens.claims(token, Purpose.REALTIME)["apps"]
        if not any(_covers(app, endpoint_id) for app in apps):
            raise UnauthorizedError(f"The token is not for {endpoint_id}")


class TokenRoutes:
    """`POST /rest/tokens/` and `/rest/tokens/realtime`."""

    def __init__(self, access: RealtimeAccess) -> None:
        self._access = access

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        for path in ("/rest/tokens", "/rest/tokens/", "/rest/tokens/realtime"):
            app.add_route(path, self.token, methods=["POST"])

    async def token(self, request: Request) -> Response:
        """A token as a JSON text."""
        body = parse_object(await read_body(request, limit=_MAX_JSON_BYTES))
        return JSONResponse(self._access.grant(_apps(body), _lifetime_s(body), identity=identity_of(request)))


def _covers(app: str, endpoint_id: str) -> bool:
    alias = "/".join(endpoint_id.split("/")[1:2])
    return app == alias or ("/" in app and f"{endpoint_id}/".startswith(f"{app}/"))


def _apps(body: dict[str, Any]) -> list[str]:
    apps = body.get("allowed_apps", [body.get("app")])
    if not isinstance(apps, list) or not apps or not all(isinstance(app, str) and app for app in apps):
        raise BadRequestError("allowed_apps must be a list of app names")
    return apps


def _lifetime_s(body: dict[str, Any]) -> float:
    lifetime_s = body.get("token_expiration", body.get("duration", USUAL_LIFETIME_S))
    if isinstance(lifetime_s, bool) or not isinstance(lifetime_s, int | float) or not lifetime_s > 0:
        raise BadRequestError("token_expiration must be a positive number of seconds")
    return min(lifetime_s, LONGEST_LIFETIME_S)
