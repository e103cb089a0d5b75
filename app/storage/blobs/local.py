"""A blob store in a folder of a disk that all processes see."""

import asyncio
import contextlib
import logging
import os
import secrets
import stat
from collections.abc import AsyncIterable, Iterator
from pathlib import Path

from app.errors import NotFoundError, StoreUnavailableError
from app.storage.keys import checked_key

logger = logging.getLogger(__name__)


class LocalBlobStore:
    """Files below `root`. A file is written beside its place, then flushed, then moved there, and so is the move."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser()
        self._root.mkdir(parents=True, exist_ok=True)

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key, by an atomic rename."""
        with _plain_errors():
            await asyncio.to_thread(_write, self._path(key), data)

    async def put_new(self, key: str, data: bytes) -> bool:
        """Store the bytes unless the key has a file; whether it had none."""
        with _plain_errors():
            return await asyncio.to_thread(_write_new, self._path(key), data)

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Store what arrives under the key, by an atomic rename once it is complete."""
        path = self._path(key)
        with _plain_errors():
            draft = await asyncio.to_thread(_draft_of, path)
            await asyncio.to_thread(draft.touch)
        try:
            async for chunk in chunks:
                with _plain_errors():
                    await asyncio.to_thread(_append, draft, chunk)
            with _plain_errors():
                await asyncio.to_thread(_settle, draft, path)
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        with _reading():
            return await asyncio.to_thread(self._path(key).read_bytes)

    async def read_span(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to but without `stop`, fewer where the file ends; raises NotFoundError."""
        with _reading():
            return await asyncio.to_thread(_read_span, self._path(key), start, stop)

    async def size(self, key: str) -> int:
        """How many bytes are under the key; raises NotFoundError."""
        with _reading():
            found = await asyncio.to_thread(self._path(key).stat)
        if not stat.S_ISREG(found.st_mode):
            raise NotFoundError("no such file")
        return found.st_size

    async def keys(self, folder: str) -> tuple[str, ...]:
        """Every key that begins with the folder and a slash, in order; unfinished files have none."""
        return await asyncio.to_thread(self._keys, self._path(folder))

    async def exists(self, key: str) -> bool:
        """Whether `read` would find the key now."""
        return await asyncio.to_thread(self._path(key).is_file)

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        with contextlib.suppress(*_ABSENT):
            await asyncio.to_thread(self._path(key).unlink)

    async def direct_url(self, key: str, *, lifetime_s: float) -> str | None:
        """None: what is on our disk is read through us."""
        return None

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)

    def _keys(self, folder: Path) -> tuple[str, ...]:
        found = (path for path in folder.rglob("*") if not path.name.startswith(".") and path.is_file())
        return tuple(sorted(path.relative_to(self._root).as_posix() for path in found))


# A key may name a folder, or go on below a file: neither is there.
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


def _write(path: Path, data: bytes) -> None:
    draft = _draft_of(path)
    draft.write_bytes(data)
    _settle(draft, path)


def _write_new(path: Path, data: bytes) -> bool:
    if path.is_file():
        return False
    draft = _draft_of(path)
    draft.write_bytes(data)
    _flush(draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _flush(path.parent)
    return True


def _draft_of(path: Path) -> Path:
    """A new name beside the file, in a folder that exists; no key begins with a dot."""
    _make(path.parent)
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _flush(folder.parent)


def _settle(draft: Path, path: Path) -> None:
    _flush(draft)
    os.replace(draft, path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Wait until the disk has the file, or the names in the folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)


def _read_span(path: Path, start: int, stop: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(stop - start)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """What is not there raises NotFoundError, every other failure StoreUnavailableError."""
    with _plain_errors():
        try:
            yield
        except _ABSENT as error:
            raise NotFoundError("no such file") from error


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        logger.warning("the blob store cannot be used: %s", error)
        raise StoreUnavailableError("The blob store cannot be used") from error
