"""Calls to URLs that callers name, without letting them reach into our network.

The host is resolved here, every address it has is checked, and the connection goes to
the checked address, so that a second look-up cannot lead elsewhere.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping

import httpx

from app.api.addresses import is_public, resolve
from app.errors import DarkroomError

Resolver = Callable[[str, int], Awaitable[tuple[str, ...]]]
TransportFactory = Callable[[], httpx.AsyncBaseTransport]

_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535


class TargetRefusedError(DarkroomError):
    """The URL leads where callers may not send us; `detail` tells nothing about our network."""


class UnknownHostError(TargetRefusedError):
    """The host has no address now; it may have one later."""


def tls_transports() -> TransportFactory:
    """Makes transports that share one set of trusted authorities.

    Connections are not kept: one that was verified for a host name must not serve another
    name at the same address.
    """
    trusted = ssl.create_default_context()
    limits = httpx.Limits(max_keepalive_connections=0)
    return lambda: httpx.AsyncHTTPTransport(verify=trusted, limits=limits, trust_env=False)


class TargetGuard:
    """Decides which URLs may be called, and pins each call to the address that was checked."""

    def __init__(self, *, allow_private_addresses: bool, resolve: Resolver = resolve) -> None:
        self._allow_private_addresses = allow_private_addresses
        self._resolve = resolve

    async def pinned(
        self, method: str, url: httpx.URL, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Request:
        """The request to the checked address, under the name that was asked for; raises TargetRefusedError."""
        if url.scheme not in _PORTS or not url.host:
            raise TargetRefusedError("only http, https and data URLs are accepted")
        address = await self._checked_address(url.host, url.port or _PORTS[url.scheme])
        headers = {**headers, "Host": url.netloc.decode("ascii")}
        extensions = {"sni_hostname": url.raw_host.decode("ascii")}
        target = url.copy_with(host=address)
        return httpx.Request(method, target, headers=headers, content=content, extensions=extensions)

    async def _checked_address(self, host: str, port: int) -> str:
        if port > _LAST_PORT:
            raise TargetRefusedError("the port does not exist")
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise UnknownHostError("the host name cannot be resolved") from error
        if not self._allow_private_addresses and not all(is_public(address) for address in addresses):
            raise TargetRefusedError("the address is not allowed")
        return addresses[0]
