"""The blob store: files by key, shared by every process that makes or serves pictures."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterable, Iterator
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


class LocalBlobStore:
    """A blob store in a folder of a disk that all processes see."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser()
        self._root.mkdir(parents=True, exist_ok=True)

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, by an atomic rename."""
        await asyncio.to_thread(self._write, self._path(key), data)

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Store what arrives under the key, by an atomic rename once it is complete."""
        path = self._path(key)
        draft = await asyncio.to_thread(_draft_of, path)
        try:
            await asyncio.to_thread(draft.touch)
            async for chunk in chunks:
                await asyncio.to_thread(_append, draft, chunk)
            await asyncio.to_thread(os.replace, draft, path)
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        with _absence_is_an_error():
            return await asyncio.to_thread(self._path(key).read_bytes)

    async def read_span(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to but without `stop`, fewer where the file ends; raises NotFoundError."""
        with _absence_is_an_error():
            return await asyncio.to_thread(_read_span, self._path(key), start, stop)

    async def size(self, key: str) -> int:
        """How many bytes are under the key; raises NotFoundError."""
        with _absence_is_an_error():
            return (await asyncio.to_thread(self._path(key).stat)).st_size

    async def keys(self, folder: str) -> tuple[str, ...]:
        """Every key that begins with the folder and a slash, in order; unfinished files have none."""
        return await asyncio.to_thread(self._keys, self._path(folder))

    async def exists(self, key: str) -> bool:
        """Whether `read` would find the key now."""
        return await asyncio.to_thread(self._path(key).is_file)

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _keys(self, folder: Path) -> tuple[str, ...]:
        found = (path for path in folder.rglob("*") if not path.name.startswith(".") and path.is_file())
        return tuple(sorted(path.relative_to(self._root).as_posix() for path in found))

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        draft = _draft_of(path)
        draft.write_bytes(data)
        os.replace(draft, path)


def _draft_of(path: Path) -> Path:
    """A new name beside the file, in a folder that exists; no key begins with a dot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)


def _read_span(path: Path, start: int, stop: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(stop - start)


@contextlib.contextmanager
def _absence_is_an_error() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError("no such file") from error


def open_blobs(settings: StorageSettings) -> LocalBlobStore:
    """The configured store; raises ConfigurationError for one that is not served yet."""
    scheme, separator, _ = settings.blobs.partition("://")
    if separator:
        raise ConfigurationError(f"storage.blobs: {scheme} is not served yet; name a folder that all processes see")
    return LocalBlobStore(Path(settings.blobs))
