"""A blob store in a bucket of S3, or of a server that speaks its protocol."""

import contextlib
import logging
from collections.abc import AsyncIterable, Iterator
from datetime import timedelta

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from app.config import S3Settings
from app.errors import NotFoundError, StoreUnavailableError
from app.generation import ImageFormat
from app.storage.keys import checked_key

logger = logging.getLogger(__name__)

_CALL = timedelta(seconds=30)
_PATIENCE = timedelta(seconds=60)
_RETRIES = 4
_PART_BYTES = 8_000_000
_ANYTHING = "application/octet-stream"


class S3BlobStore:
    """Objects below `prefix` of a bucket; who may touch them is in the environment (`AWS_ACCESS_KEY_ID` and so on).

    A file that arrives in pieces is an upload in parts, which is one object once it is complete.
    """

    def __init__(self, bucket: str, prefix: str, settings: S3Settings) -> None:
        self._direct_downloads = settings.direct_downloads
        endpoint = settings.endpoint_url
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            config={
                "region": settings.region,
                # Servers of one's own know their buckets by path; AWS knows them by name.
                "virtual_hosted_style_request": endpoint is None,
                **({} if endpoint is None else {"endpoint": endpoint}),
            },
            client_options={"timeout": _CALL, "allow_http": (endpoint or "").startswith("http://")},
            retry_config={"max_retries": _RETRIES, "retry_timeout": _PATIENCE},
        )

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key."""
        with _reaching():
            await self._store.put_async(checked_key(key), data, attributes=_attributes(key))

    async def put_new(self, key: str, data: bytes) -> bool:
        """Store the bytes unless the key has a file (`If-None-Match: *`); whether it had none."""
        with _reaching():
            try:
                await self._store.put_async(checked_key(key), data, attributes=_attributes(key), mode="create")
            except AlreadyExistsError:
                return False
        return True

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Store what arrives under the key, as one object once it is complete."""
        with _reaching():
            await self._store.put_async(
                checked_key(key), aiter(chunks), attributes=_attributes(key), chunk_size=_PART_BYTES
            )

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        with _reading():
            found = await self._store.get_async(checked_key(key))
            return bytes(await found.bytes_async())

    async def read_span(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to but without `stop`, fewer where the file ends; raises NotFoundError."""
        stop = min(stop, await self.size(key))
        if start >= stop:
            return b""
        with _reading():
            return bytes(await self._store.get_range_async(checked_key(key), start=start, end=stop))

    async def size(self, key: str) -> int:
        """How many bytes are under the key; raises NotFoundError."""
        with _reading():
            return int((await self._store.head_async(checked_key(key)))["size"])

    async def keys(self, folder: str) -> tuple[str, ...]:
        """Every key that begins with the folder and a slash, in order."""
        found: list[str] = []
        with _reaching():
            async for batch in self._store.list(checked_key(folder)):
                found += (each["path"] for each in batch)
        return tuple(sorted(found))

    async def exists(self, key: str) -> bool:
        """Whether `read` would find the key now."""
        try:
            await self.size(key)
        except NotFoundError:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        with _reaching(), contextlib.suppress(FileNotFoundError):
            await self._store.delete_async(checked_key(key))

    async def direct_url(self, key: str, *, lifetime_s: float) -> str | None:
        """A URL that is signed for so many seconds, where the configuration sends clients there."""
        if not self._direct_downloads:
            return None
        with _reaching():
            lifetime = timedelta(seconds=lifetime_s)
            return await obstore.sign_async(self._store, "GET", checked_key(key), expires_in=lifetime)


def _attributes(key: str) -> dict[str, str]:
    """What the bucket tells who reads from it directly: a picture is one, and nothing else is ever run."""
    extension = key.rpartition(".")[2]
    known = {each.value: each.content_type for each in ImageFormat}
    return {"Content-Type": known.get(extension, _ANYTHING)}


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """What is not there raises NotFoundError, every other failure StoreUnavailableError."""
    with _reaching():
        try:
            yield
        except FileNotFoundError as error:
            raise NotFoundError("no such file") from error


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except (BaseError, FileNotFoundError, PermissionError) as error:
        logger.warning("the blob store cannot be used: %s", str(error).partition("\n")[0])
        raise StoreUnavailableError("The blob store cannot be reached") from error
