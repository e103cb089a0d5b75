"""Which network addresses a caller may send us to."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every address of the host, numeric or named; raises OSError or UnicodeError when there is none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(str(entry[4][0]) for entry in found)


def is_public(text: str) -> bool:
    """Whether the numeric address, and any IPv4 address wrapped in it, belongs to the public internet."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return _is_public(address)
    if address.ipv4_mapped is not None:
        return _is_public(address.ipv4_mapped)
    return _is_public(address) and not address.is_site_local and all(_is_public(inner) for inner in _tunnelled(address))


def _tunnelled(address: IPv6Address) -> tuple[IPv4Address, ...]:
    ends = address.teredo or ()
    return ends if address.sixtofour is None else (address.sixtofour, *ends)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
