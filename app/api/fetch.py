"""Pictures by URL, fetched only from where callers may send us."""

import asyncio
import time
from collections.abc import Callable

import httpx

from app.api.addresses import resolve
from app.api.data_uri import decode_data_uri
from app.api.files import public_key
from app.api.outbound import Resolver, TargetGuard, TargetRefusedError, TransportFactory
from app.api.refusals import file_too_large, not_downloaded
from app.config import FetchSettings
from app.errors import NotFoundError
from app.storage.blobs import BlobStore

MAX_REDIRECTS = 3
_HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "darkroom"}


class GuardedFetcher:
    """Fetches http, https and data URLs within the limits of the settings; our own files come from the store."""

    def __init__(
        self,
        *,
        settings: FetchSettings,
        blobs: BlobStore,
        open_transport: TransportFactory,
        resolve: Resolver = resolve,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._open_transport = open_transport
        self._guard = TargetGuard(allow_private_addresses=settings.allow_private_addresses, resolve=resolve)
        self._clock = clock

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
        except TargetRefusedError as error:
            raise not_downloaded(error.detail) from error
        except TimeoutError as error:
            raise not_downloaded("it took too long") from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise not_downloaded("the address cannot be reached") from error

    async def _own(self, key: str) -> bytes:
        try:
            found = public_key(key, now_s=self._clock())
            if await self._blobs.size(found) > self._settings.max_bytes:
                raise file_too_large(self._settings.max_bytes)
            return await self._blobs.read(found)
        except NotFoundError as error:
            raise not_downloaded("no such file") from error

    async def _download(self, url: httpx.URL) -> bytes:
        async with httpx.AsyncClient(transport=self._open_transport(), timeout=self._settings.timeout_s) as client:
            for _ in range(MAX_REDIRECTS + 1):
                response = await client.send(await self._guard.pinned("GET", url, headers=_HEADERS), stream=True)
                try:
                    if not response.has_redirect_location:
                        return await self._body(response)
                    url = url.join(response.headers["location"])
                finally:
                    await response.aclose()
        raise not_downloaded(f"more than {MAX_REDIRECTS} redirects")

    async def _body(self, response: httpx.Response) -> bytes:
        if response.status_code != httpx.codes.OK:
            raise not_downloaded(f"the server answered {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._settings.max_bytes:
                raise file_too_large(self._settings.max_bytes)
        return bytes(body)
