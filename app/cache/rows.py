"""Pictures by key in a store of files: what outlives a process, and what several of them share.

A row lies beside the pictures in the same kind of store and says which file answers a key. It is written after the
picture, whose name is a digest of its bytes; whoever finds a row without its picture has found nothing.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from app.cache.origin import Origin
from app.cache.takedown import Takedown
from app.errors import NotFoundError
from app.generation import Picture

_ROOT = "cache/pictures"
_SHORT = 24
_SIDE_BY_SIDE = 32


class Files(Protocol):
    """The part of a blob store that rows need."""

    async def put(self, key: str, data: bytes) -> None:
        """Store the bytes under the key."""
        ...

    async def read(self, key: str) -> bytes:
        """The bytes under the key; raises NotFoundError."""
        ...

    async def keys(self, folder: str) -> tuple[str, ...]:
        """Every key that begins with the folder and a slash."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The picture under a key, and, where others are answered with it, digests of who has seen it."""

    key: str
    origin: Origin
    picture: Picture
    seen_by: tuple[str, ...] = ()


_ROW = TypeAdapter(Row)


class PictureRows:
    """Rows below one folder for each tenant and revision."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def get(self, key: str, origin: Origin) -> Row | None:
        """The row under the key; None when there is none, or none that this version can read."""
        row: Row | None = await read_record(self._files, _path(key, origin), _ROW)
        return row

    async def put(self, row: Row) -> None:
        """Write the row, in place of one under its key."""
        await self._files.put(_path(row.key, row.origin), _ROW.dump_json(row))

    async def discard(self, key: str, origin: Origin) -> None:
        """Forget the key; unknown keys are ignored."""
        await self._files.delete(_path(key, origin))

    async def purge(self, takedown: Takedown) -> tuple[Row, ...]:
        """Forget the rows that are meant; returns them."""
        folder = _ROOT if takedown.tenant is None else f"{_ROOT}/{short_digest(takedown.tenant)}"
        gone = []
        for path, row in await read_records(self._files, await self._files.keys(folder), _ROW):
            if takedown.matches(row.origin, row.picture.blob_key):
                await self._files.delete(path)
                gone.append(row)
        return tuple(gone)

    async def count(self) -> int:
        """How many rows there are."""
        return len(await self._files.keys(_ROOT))


async def read_record(files: Files, path: str, kind: TypeAdapter[Any]) -> Any:
    """What a file says; None for one that is not there, or that this version cannot read."""
    try:
        return kind.validate_json(await files.read(path))
    except (NotFoundError, ValidationError):
        return None


async def read_records(files: Files, paths: Sequence[str], kind: TypeAdapter[Any]) -> list[tuple[str, Any]]:
    """What the files say, some of them read side by side; unreadable ones are left out."""
    found: list[tuple[str, Any]] = []
    for start in range(0, len(paths), _SIDE_BY_SIDE):
        some = paths[start : start + _SIDE_BY_SIDE]
        records = await asyncio.gather(*(read_record(files, path, kind) for path in some))
        found += [(path, record) for path, record in zip(some, records, strict=True) if record is not None]
    return found


def short_digest(text: str) -> str:
    """A name for a text that holds no secret and can be part of a file's name."""
    return hashlib.sha256(text.encode()).hexdigest()[:_SHORT]


def _path(key: str, origin: Origin) -> str:
    whole = hashlib.sha256(key.encode()).hexdigest()
    return f"{_ROOT}/{short_digest(origin.tenant)}/{short_digest(origin.revision)}/{whole}.json"
