"""The blob store: files by key, shared by every process that makes or serves pictures."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Protocol

from app.config import StorageSettings
from app.errors import ConfigurationError, NotFoundError
from app.storage.keys import checked_key


class BlobStore(Protocol):
    """Files by key. A reader sees a whole file or none; the last of two writers of one key wins."""

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key."""
        ...

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        ...

    async def exists(self, key: str) -> bool:
        """Whether `read` would find the key now."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        ...


class LocalBlobStore:
    """A blob store in a folder of a disk that all processes see."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser()
        self._root.mkdir(parents=True, exist_ok=True)

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, by an atomic rename."""
        await asyncio.to_thread(self._write, self._path(key), data)

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except FileNotFoundError as error:
            raise NotFoundError("no such file") from error

    async def exists(self, key: str) -> bool:
        """Whether `read` would find the key now."""
        return await asyncio.to_thread(self._path(key).is_file)

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        draft.write_bytes(data)
        os.replace(draft, path)


def open_blobs(settings: StorageSettings) -> LocalBlobStore:
    """The configured store; raises ConfigurationError for one that is not served yet."""
    scheme, separator, _ = settings.blobs.partition("://")
    if separator:
        raise ConfigurationError(f"storage.blobs: {scheme} is not served yet; name a folder that all processes see")
    return LocalBlobStore(Path(settings.blobs))
