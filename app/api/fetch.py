"""Pictures by URL, without letting callers reach into our network.

The host is resolved here, every address it has is checked, and the connection goes to
the checked address, so that a second look-up cannot lead elsewhere.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import httpx

from app.api.addresses import is_public, resolve
from app.api.data_uri import decode_data_uri
from app.api.files import finished_key
from app.api.refusals import file_too_large, not_downloaded
from app.config import FetchSettings
from app.errors import NotFoundError
from app.storage.blobs import BlobStore

Resolver = Callable[[str, int], Awaitable[tuple[str, ...]]]
TransportFactory = Callable[[], httpx.AsyncBaseTransport]

MAX_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535
_HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "darkroom"}


def tls_transports() -> TransportFactory:
    """Makes transports that share one set of trusted authorities.

    Connections are not kept: one that was verified for a host name must not serve another
    name at the same address.
    """
    trusted = ssl.create_default_context()
    limits = httpx.Limits(max_keepalive_connections=0)
    return lambda: httpx.AsyncHTTPTransport(verify=trusted, limits=limits, trust_env=False)


class GuardedFetcher:
    """Fetches http, https and data URLs within the limits of the settings; our own files come from the store."""

    def __init__(
        self,
        *,
        settings: FetchSettings,
        blobs: BlobStore,
        open_transport: TransportFactory,
        resolve: Resolver = resolve,
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._open_transport = open_transport
        self._resolve = resolve

    async def fetch(self, url: str, *, own_base: str) -> bytes:
        """The bytes behind the URL; `own_base` is this server's public base URL.

        Raises InvalidInputError on `image_url`: file_download_error or file_too_large.
        """
        if url[:5].lower() == "data:":
            return decode_data_uri(url, max_bytes=self._settings.max_bytes)
        own_files = f"{own_base}/files/"
        if url.startswith(own_files):
            return await self._own(url.removeprefix(own_files))
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._download(httpx.URL(url))
        except TimeoutError as error:
            raise not_downloaded("it took too long") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise not_downloaded("the address cannot be reached") from error

    async def _own(self, key: str) -> bytes:
        try:
            return await self._blobs.read(finished_key(key))
        except NotFoundError as error:
            raise not_downloaded("no such file") from error

    async def _download(self, url: httpx.URL) -> bytes:
        async with httpx.AsyncClient(transport=self._open_transport(), timeout=self._settings.timeout_s) as client:
            for _ in range(MAX_REDIRECTS + 1):
                response = await client.send(await self._pinned(url), stream=True)
                try:
                    if not response.has_redirect_location:
                        return await self._body(response)
                    url = url.join(response.headers["location"])
                finally:
                    await response.aclose()
        raise not_downloaded(f"more than {MAX_REDIRECTS} redirects")

    async def _pinned(self, url: httpx.URL) -> httpx.Request:
        if url.scheme not in _PORTS or not url.host:
            raise not_downloaded("only http, https and data URLs are accepted")
        address = await self._checked_address(url.host, url.port or _PORTS[url.scheme])
        headers = {**_HEADERS, "Host": url.netloc.decode("ascii")}
        extensions = {"sni_hostname": url.raw_host.decode("ascii")}
        return httpx.Request("GET", url.copy_with(host=address), headers=headers, extensions=extensions)

    async def _checked_address(self, host: str, port: int) -> str:
        if port > _LAST_PORT:
            raise not_downloaded("the port does not exist")
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise not_downloaded("the host name cannot be resolved") from error
        if not self._settings.allow_private_addresses and not all(is_public(address) for address in addresses):
            raise not_downloaded("the address is not allowed")
        return addresses[0]

    async def _body(self, response: httpx.Response) -> bytes:
        if response.status_code != httpx.codes.OK:
            raise not_downloaded(f"the server answered {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._settings.max_bytes:
                raise file_too_large(self._settings.max_bytes)
        return bytes(body)
