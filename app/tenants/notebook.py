"""What happens to tenants, written down in the background: nobody waits for it, and little is lost with a process."""

import asyncio
import logging
from collections import deque

from app.errors import StoreUnavailableError
from app.storage.tenants import AuditEntry, Bucket, News, Presence, StoredFile, TenantStore, Use

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000
MOST_AT_ONCE = 500


class Notebook:
    """Keeps news for the store and writes it at once; what comes meanwhile goes into the next writing together.

    While the store cannot be reached, news waits for the next; of entries and files the oldest are dropped beyond
    MOST_WAITING, which the log tells. What was noted in the moment before a crash is lost.
    """

    def __init__(self, store: TenantStore) -> None:
        self._store = store
        self._uses: dict[tuple[str, int], Use] = {}
        self._presences: dict[str, Presence] = {}
        self._files: deque[StoredFile] = deque()
        self._entries: deque[AuditEntry] = deque()
        self._writing: asyncio.Task[None] | None = None

    def note_use(self, tenant: str, bucket: Bucket) -> None:
        """The tenant has used so much in that bucket."""
        self._uses[tenant, bucket.start_s] = Use(tenant, bucket)
        self._write_soon()

    def note_presence(self, presence: Presence) -> None:
        """So many requests are under way."""
        self._presences[presence.tenant] = presence
        self._write_soon()

    def note_file(self, file: StoredFile) -> None:
        """The file is there, and whose it is."""
        _append(self._files, file, "files")
        self._write_soon()

    def note_entry(self, entry: AuditEntry) -> None:
        """Something to keep in the audit log."""
        _append(self._entries, entry, "entries of the audit log")
        self._write_soon()

    async def flush(self) -> None:
        """Wait until everything noted so far is written, or the store cannot be reached."""
        self._write_soon()
        if self._writing is not None:
            await asyncio.wait({self._writing})

    def _write_soon(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._uses or self._presences or self._files or self._entries:
            news = self._torn_off()
            try:
                await self._store.tell(news)
            except StoreUnavailableError:
                logger.warning("what tenants use cannot be written down now; it is tried again with the next")
                self._put_back(news)
                return
            except Exception:
                logger.exception("what tenants use could not be written down, and is lost")

    def _torn_off(self) -> News:
        uses, self._uses = tuple(self._uses.values()), {}
        presences, self._presences = tuple(self._presences.values()), {}
        files = tuple(self._files.popleft() for _ in range(min(len(self._files), MOST_AT_ONCE)))
        entries = tuple(self._entries.popleft() for _ in range(min(len(self._entries), MOST_AT_ONCE)))
        return News(uses=uses, presences=presences, files=files, entries=entries)

    def _put_back(self, news: News) -> None:
        for use in news.uses:
            self._uses.setdefault((use.tenant, use.bucket.start_s), use)
        for presence in news.presences:
            self._presences.setdefault(presence.tenant, presence)
        self._files.extendleft(reversed(news.files))
        self._entries.extendleft(reversed(news.entries))


def _append(waiting: deque[StoredFile] | deque[AuditEntry], item: StoredFile | AuditEntry, what: str) -> None:
    if len(waiting) >= MOST_WAITING:
        waiting.popleft()
        logger.warning("%s were lost: the store has not been reached for too long", what)
    waiting.append(item)  # type: ignore[arg-type]
