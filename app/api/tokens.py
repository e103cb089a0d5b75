"""Short-lived tokens: who holds one may do one thing until it expires, and needs no key for it."""

import hashlib
import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import jwt

from app.errors import UnauthorizedError

_ALGORITHM = "HS256"
_REQUIRED = ["aud", "exp"]


class Purpose(StrEnum):
    """What a token is good for; it is good for nothing else."""

    UPLOAD = "upload"
    FILE = "file"
    REALTIME = "realtime"


class Tokens:
    """Makes and checks tokens (RFC 7519) signed with a key that is derived from the server's secret."""

    def __init__(self, secret: bytes, *, clock: Callable[[], float]) -> None:
        self._key = derived_key(secret, "tokens")
        self._clock = clock

    def issue(self, purpose: Purpose, *, lifetime_s: float, **claims: Any) -> tuple[str, int]:
        """A token with these claims, and the epoch second when it expires."""
        expires_s = int(self._clock() + lifetime_s)
        payload = {**claims, "aud": purpose.value, "exp": expires_s}
        return jwt.encode(payload, self._key, algorithm=_ALGORITHM), expires_s

    def claims(self, token: str, purpose: Purpose) -> dict[str, Any]:
        """What a token says; raises UnauthorizedError for one that is forged, expired, or meant for something else."""
        try:
            found: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=purpose.value,
                # The clock is ours, so that tests can move it.
                options={"require": _REQUIRED, "verify_exp": False},
            )
        except jwt.InvalidTokenError as error:
            raise UnauthorizedError("The token is not valid here") from error
        if found["exp"] <= self._clock():
            raise UnauthorizedError("The token has expired")
        return found


def derived_key(secret: bytes, use: str) -> bytes:
    """A key of 32 bytes for one use; nobody gets from one to another or to the secret."""
    return hmac.digest(secret, use.encode(), hashlib.sha256)
