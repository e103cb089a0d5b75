"""Keeps the latest files of a blob store at hand, for a process that reads what it has just written."""

from collections import OrderedDict
from collections.abc import AsyncIterable

from app.storage.blobs import BlobStore

RECENT_BYTES = 64 * 1024 * 1024


class RecentBlobs:
    """A blob store that answers `read` from memory for the files that it stored last, `max_bytes` in all.

    For stores that no other process deletes from: what another one took away would still be read here.
    """

    def __init__(self, store: BlobStore, *, max_bytes: int = RECENT_BYTES) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key."""
        self._forget(key)
        await self._store.put(key, data)
        self._remember(key, data)

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Store what arrives under the key, once it is complete; it is not kept at hand."""
        self._forget(key)
        await self._store.write(key, chunks)
        self._forget(key)

    async def put_new(self, key: str, data: bytes) -> bool:
        """Store the bytes unless the key has a file; whether it had none."""
        return await self._store.put_new(key, data)

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        if key in self._recent:
            self._recent.move_to_end(key)
            return self._recent[key]
        return await self._store.read(key)

    async def read_span(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to but without `stop`, fewer where the file ends; raises NotFoundError."""
        return await self._store.read_span(key, start, stop)

    async def size(self, key: str) -> int:
        """How many bytes are under the key; raises NotFoundError."""
        return await self._store.size(key)

    async def keys(self, folder: str) -> tuple[str, ...]:
        """Every key that begins with the folder and a slash, in order."""
        return await self._store.keys(folder)

    async def exists(self, key: str) -> bool:
        """Whether the store has the key now."""
        return await self._store.exists(key)

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        self._forget(key)
        await self._store.delete(key)
        self._forget(key)

    async def direct_url(self, key: str, *, lifetime_s: float) -> str | None:
        """Where the store lets anybody read the file without us."""
        return await self._store.direct_url(key, lifetime_s=lifetime_s)

    def _remember(self, key: str, data: bytes) -> None:
        self._forget(key)
        if len(data) > self._max_bytes:
            return
        self._recent[key] = data
        self._bytes += len(data)
        while self._bytes > self._max_bytes:
            self._bytes -= len(self._recent.popitem(last=False)[1])

    def _forget(self, key: str) -> None:
        self._bytes -= len(self._recent.pop(key, b""))
