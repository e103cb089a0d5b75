"""Callers' files: named here, bounded while they arrive, whole or in parts, forgotten when they expire."""

import hashlib
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass

from app.api.content_types import extension_of
from app.errors import BadRequestError, BodyTooLargeError, NotFoundError
from app.storage.blobs import BlobStore
from app.storage.expiry import Sweeper
from app.storage.keys import UPLOADS, parts_folder, upload_key

LAST_PART = 10_000
_CHUNK_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file as its uploader names it: the number, and the tag that it was acknowledged with."""

    number: int
    etag: str


def random_token() -> str:
    """A name that nobody guesses, hexadecimal."""
    return secrets.token_hex(16)


class Uploads:
    """Files below `uploads/` in the blob store, with at most `max_bytes` each.

    A file stays for its own lifetime, else for `ttl_s` seconds, else for good. Expired ones are not
    found any more at once, and are deleted when the next upload begins, at most once a minute.
    """

    def __init__(
        self,
        blobs: BlobStore,
        *,
        max_bytes: int,
        ttl_s: float | None,
        clock: Callable[[], float],
        new_token: Callable[[], str] = random_token,
    ) -> None:
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._clock = clock
        self._new_token = new_token
        self._sweeper = Sweeper(blobs, clock=clock)

    async def begin(self, content_type: str, *, lifetime_s: float | None) -> str:
        """A new key for a file of that type."""
        await self._sweeper.sweep()
        lasting_s = self._ttl_s if lifetime_s is None else lifetime_s
        expires_s = None if lasting_s is None else int(self._clock() + lasting_s)
        return upload_key(self._new_token(), extension_of(content_type), expires_s=expires_s)

    async def keep(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """Store the file as it arrives; raises BodyTooLargeError, and then keeps nothing."""
        await self._blobs.write(key, self._bounded(chunks, self._max_bytes))

    async def size(self, key: str) -> int:
        """How many bytes the kept file has; raises NotFoundError."""
        return await self._blobs.size(key)

    async def keep_part(self, key: str, number: int, chunks: AsyncIterable[bytes], *, until_s: int) -> str:
        """Store one part of the file until that epoch second; returns its tag.

        Raises BodyTooLargeError when all parts together are too large, BadRequestError for a strange number.
        """
        if not 1 <= number <= LAST_PART:
            raise BadRequestError(f"Parts are numbered from 1 to {LAST_PART}")
        folder, name = _folder(key, until_s), _part_name(number)
        others = [await self._blobs.size(part) for part in await self._blobs.keys(folder) if not part.endswith(name)]
        digest = hashlib.sha256()
        await self._blobs.write(f"{folder}/{name}", self._bounded(chunks, self._max_bytes - sum(others), digest.update))
        return _etag(digest.hexdigest())

    async def assemble(self, key: str, parts: tuple[Part, ...], *, until_s: int) -> None:
        """Make the file of its parts in the order of their numbers, and delete them.

        Raises BadRequestError when a part is missing or is not the one that was acknowledged.
        """
        if not parts:
            raise BadRequestError("A file has at least one part")
        folder = _folder(key, until_s)
        try:
            await self._blobs.write(key, self._joined(folder, sorted(parts, key=lambda part: part.number)))
        except NotFoundError as error:
            raise BadRequestError("A part was not uploaded") from error
        for part in await self._blobs.keys(folder):
            await self._blobs.delete(part)

    async def _joined(self, folder: str, parts: list[Part]) -> AsyncIterator[bytes]:
        for part in parts:
            digest, part_key = hashlib.sha256(), f"{folder}/{_part_name(part.number)}"
            for start in range(0, await self._blobs.size(part_key), _CHUNK_BYTES):
                chunk = await self._blobs.read_span(part_key, start, start + _CHUNK_BYTES)
                digest.update(chunk)
                yield chunk
            if part.etag.strip('"') != _etag(digest.hexdigest()).strip('"'):
                raise BadRequestError(f"Part {part.number} is not the one that was acknowledged")

    async def _bounded(
        self, chunks: AsyncIterable[bytes], limit: int, see: Callable[[bytes], object] = len
    ) -> AsyncIterator[bytes]:
        left = limit
        async for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise BodyTooLargeError(f"The file is larger than {self._max_bytes} bytes")
            see(chunk)
            yield chunk


def _folder(key: str, until_s: int) -> str:
    token = key.removeprefix(f"{UPLOADS}/").partition(".")[0].partition("-")[0]
    return parts_folder(token, expires_s=until_s)


def _part_name(number: int) -> str:
    return f"{number:05}"


def _etag(digest: str) -> str:
    return f'"{digest[:32]}"'
