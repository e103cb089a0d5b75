"""Who calls, as far as a connection tells."""

import hashlib
from typing import cast

from starlette.requests import HTTPConnection

from app.tenants.identity import LOCAL, Identity


def identity_of(connection: HTTPConnection) -> Identity:
    """In whose name the call is made, as the gate in front of every route has found."""
    return cast(Identity, getattr(connection.state, "identity", LOCAL))


def address_of(connection: HTTPConnection) -> str:
    """Where the call comes from: the peer, or whom a proxy in front of us speaks for."""
    address = connection.client.host if connection.client is not None else ""
    return forwarded_for(connection).partition(",")[0].strip() or address


def forwarded_for(connection: HTTPConnection) -> str:
    """Whom proxies in front of us say that they speak for, by X-Forwarded-For; empty when none says so."""
    return ",".join(connection.headers.getlist("x-forwarded-for"))


def caller_of(connection: HTTPConnection) -> str:
    """A name for the caller that holds no secret: equal for calls with one key from one address.

    Callers share a tenant's cache, and none wants its own picture twice. The name tells callers apart that do not
    pretend; never grant anything by it.
    """
    said = "\n".join((connection.headers.get("authorization", ""), address_of(connection)))
    return hashlib.sha256(said.encode()).hexdigest()[:16]
