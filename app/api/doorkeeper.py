"""Finds out in whose name a call is made."""

from collections.abc import Callable
from functools import cache
from typing import Any

from starlette.requests import HTTPConnection

from app.api.caller import forwarded_for
from app.api.doors import scope_of
from app.api.tokens import Purpose, Tokens, derived_key
from app.config import DarkroomSettings
from app.errors import ForbiddenError, UnauthorizedError
from app.generation import LOCAL_TENANT
from app.storage.tenants import KeyRecord, Scope
from app.tenants.access import needs_key
from app.tenants.identity import LOCAL, Identity
from app.tenants.key_ring import KeyRing
from app.tenants.keys import presented_key

_STREAM = "/stream"
_WANTED = "This server wants an API key: send `Authorization: Key id:secret`, with one of `darkroom keys create`"


class Doorkeeper:
    """Knows keys and tokens; the secret makes the salts of file names."""

    def __init__(self, *, ring: KeyRing, tokens: Tokens, secret: bytes, settings: DarkroomSettings) -> None:
        self._ring = ring
        self._tokens = tokens
        self._rule = settings.auth.required
        self._bound_host = settings.server.host
        self._salt_of: Callable[[str], str] = cache(lambda tenant: derived_key(secret, f"files of {tenant}").hex())

    async def identify(self, connection: HTTPConnection, *, method: str) -> Identity:
        """In whose name the call is made, for what is open in the local one's.

        Raises UnauthorizedError without a good key where one is needed. Where none is, what does not look like one of
        our keys counts for nothing.
        """
        path = connection.scope["path"]
        if scope_of(method, path) is None:
            return LOCAL
        return await self._known(connection, path) or self._local(connection)

    async def granted(self, token: str, purpose: Purpose) -> tuple[Identity, dict[str, Any]]:
        """In whose name a token was given out, and what it says; raises UnauthorizedError, also when its key ended."""
        claims = self._tokens.claims(token, purpose)
        if not claims.get("by"):
            return LOCAL, claims
        return self._identity(await self._ring.still_good(claims["by"])), claims

    async def _known(self, connection: HTTPConnection, path: str) -> Identity | None:
        presented = presented_key(connection.headers.get("authorization", ""))
        if presented is not None:
            return self._identity(await self._ring.opened(presented))
        if connection.scope["type"] == "websocket" or path.endswith(_STREAM):
            token = connection.query_params.get("fal_jwt_token")
            return None if token is None else (await self.granted(token, Purpose.REALTIME))[0]
        return None

    def _local(self, connection: HTTPConnection) -> Identity:
        peer = connection.client.host if connection.client is not None else None
        forwarded = forwarded_for(connection)
        if needs_key(self._rule, bound_host=self._bound_host, peer=peer, forwarded_for=forwarded):
            raise UnauthorizedError(_WANTED)
        return LOCAL

    def _identity(self, record: KeyRecord) -> Identity:
        salt = "" if record.tenant == LOCAL_TENANT else self._salt_of(record.tenant)
        return Identity(record.tenant, record.key_id, record.scopes, salt)


def check_scope(identity: Identity, method: str, path: str) -> None:
    """Raises ForbiddenError for a call that the scopes of its key do not cover."""
    if identity.may(Scope.ADMIN):
        return
    scope = scope_of(method, path)
    if scope is not None and not identity.may(scope):
        raise ForbiddenError(f"The API key does not have the scope {scope.value}")


def claims_of(identity: Identity) -> dict[str, str]:
    """What a token says about who it was given to."""
    return {"tenant": identity.tenant, "by": identity.key_id}
