"""What every blob store promises."""

from collections.abc import AsyncIterable
from typing import Protocol


class BlobStore(Protocol):
    """Files by key. A reader sees a whole file or none; the last of two writers of one key wins.

    What was stored outlives a loss of power. Keys that are not well formed are those of no file. A store that
    cannot be reached, or is full, raises StoreUnavailableError.
    """

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key."""
        ...

    async def put_new(self, key: str, data: bytes) -> bool:
        """Store the bytes unless the key has a file; whether it had none. Of several at once, one stores."""
        ...

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Store what arrives under the key, once it is complete; an error on the way leaves nothing behind."""
        ...

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        ...

    async def read_span(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to but without `stop`, fewer where the file ends; raises NotFoundError."""
        ...

    async def size(self, key: str) -> int:
        """How many bytes are under the key; raises NotFoundError."""
        ...

    async def keys(self, folder: str) -> tuple[str, ...]:
        """Every key that begins with the folder and a slash, in order."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether `read` would find the key now."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        ...

    async def direct_url(self, key: str, *, lifetime_s: float) -> str | None:
        """Where anybody reads the file without us for so many seconds; None where clients are to ask us."""
        ...
