"""What came of a batch's rows, kept in pages: each is written once, whole, when all its rows are over."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.storage.blobs import BlobStore
from app.storage.keys import parts_folder

PAGE_ROWS = 50
KEPT_S = 30 * 86_400
COMPLETED = "completed"
FAILED = "failed"

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows there are, and how many of them are over, by how."""

    total: int
    completed: int
    failed: int


class Ledger:
    """The pages of one batch, in the order of its rows; they are forgotten some weeks after it was begun."""

    def __init__(self, blobs: BlobStore, batch_id: str, *, begun_s: float) -> None:
        token = hashlib.sha256(batch_id.encode()).hexdigest()[:40]
        self._folder = parts_folder(token, expires_s=int(begun_s) + KEPT_S)
        self._blobs = blobs

    async def has(self, page: int) -> bool:
        """Whether that page is written."""
        return await self._blobs.exists(self._key(page))

    async def write(self, page: int, entries: Sequence[Entry]) -> None:
        """Write that page; written again, it is what it was."""
        lines = (json.dumps(entry, ensure_ascii=False) for entry in entries)
        await self._blobs.put(self._key(page), "".join(f"{line}\n" for line in lines).encode())

    async def read(self) -> bytes:
        """All pages that are written, as JSON lines."""
        return b"".join([await self._blobs.read(key) for key in await self._blobs.keys(self._folder)])

    def _key(self, page: int) -> str:
        return f"{self._folder}/{page:06}"


def pages(count: int) -> Iterator[range]:
    """The numbers of the rows on each page."""
    return (range(first, min(first + PAGE_ROWS, count)) for first in range(0, count, PAGE_ROWS))


def counted(lines: bytes, total: int) -> Counts:
    """The rows of a manifest, of which there will be so many."""
    states = [json.loads(line)["status"] for line in lines.splitlines()]
    return Counts(total=total, completed=states.count(COMPLETED), failed=states.count(FAILED))
