"""A tenant store for one process: it forgets everything with it."""

from app.storage.tenants.contract import (
    AuditEntry,
    AuditQuery,
    Bucket,
    Footprint,
    KeyRecord,
    News,
    Presence,
    StoredFile,
    Use,
)

LONGEST_LOG = 10_000


class TenantMemory:
    """What the stores of several workers of one process share."""

    def __init__(self) -> None:
        self.keys: dict[str, KeyRecord] = {}
        self.uses: dict[tuple[str, str, int], Use] = {}
        self.presences: dict[tuple[str, str], Presence] = {}
        self.files: dict[str, StoredFile] = {}
        self.log: dict[str, AuditEntry] = {}


class MemoryTenantStore:
    """Everything in dictionaries; of the audit log, the latest entries. Workers may share a memory."""

    def __init__(self, memory: TenantMemory | None = None, *, worker: str = "") -> None:
        self._memory = memory or TenantMemory()
        self._worker = worker

    async def put_key(self, key: KeyRecord, entry: AuditEntry) -> None:
        """Keep the key and the entry."""
        self._memory.keys[key.key_id] = key
        self._log(entry)

    async def key(self, key_id: str) -> KeyRecord | None:
        """The key with that id, whatever its state."""
        return self._memory.keys.get(key_id)

    async def keys(self, tenant: str | None = None) -> list[KeyRecord]:
        """The tenant's keys, or everybody's, oldest first."""
        found = [key for key in self._memory.keys.values() if tenant in (None, key.tenant)]
        return sorted(found, key=lambda key: (key.created_s, key.key_id))

    async def tell(self, news: News) -> None:
        """Keep the news."""
        for use in news.uses:
            self._memory.uses[use.tenant, self._worker, use.bucket.start_s] = use
        for presence in news.presences:
            self._memory.presences[presence.tenant, self._worker] = presence
        for file in news.files:
            self._memory.files.setdefault(file.file_key, file)
        for entry in news.entries:
            self._log(entry)

    async def used_elsewhere(self, tenant: str, *, since_s: float) -> list[Bucket]:
        """What other processes have counted for the tenant, in buckets that start at `since_s` or later."""
        sums: dict[int, Bucket] = {}
        for (owner, worker, start_s), use in self._memory.uses.items():
            if owner == tenant and worker != self._worker and start_s >= since_s:
                so_far = sums.get(start_s, Bucket(start_s))
                requests = so_far.requests + use.bucket.requests
                sums[start_s] = Bucket(start_s, requests, so_far.gpu_ms + use.bucket.gpu_ms)
        return [sums[start_s] for start_s in sorted(sums)]

    async def under_way_elsewhere(self, tenant: str, *, now_s: float) -> int:
        """How many of the tenant's direct requests other processes have under way."""
        presences = self._memory.presences.items()
        mine = (tenant, self._worker)
        return sum(p.under_way for key, p in presences if key[0] == tenant and key != mine and p.until_s > now_s)

    async def footprint(self, tenant: str, *, now_s: float) -> Footprint:
        """The tenant's files that have not expired."""
        files = [file for file in self._memory.files.values() if file.tenant == tenant and _lasts(file, now_s)]
        ends = [file.expires_s for file in files if file.expires_s is not None]
        return Footprint(sum(file.byte_count for file in files), min(ends, default=None))

    async def owner(self, file_key: str) -> str | None:
        """Whose the file is; None when nobody's is known."""
        file = self._memory.files.get(file_key)
        return None if file is None else file.tenant

    async def forget_file(self, file_key: str) -> None:
        """The file is no more; unknown keys are ignored."""
        self._memory.files.pop(file_key, None)

    async def entries(self, query: AuditQuery) -> list[AuditEntry]:
        """The entries of the audit log that were asked for, the latest first."""
        found = [entry for entry in self._memory.log.values() if _is_asked_for(entry, query)]
        return sorted(found, key=lambda entry: (entry.at_s, entry.entry_id), reverse=True)[: query.limit]

    async def forget(self, *, before_s: float, now_s: float) -> None:
        """Drop what is over."""
        memory = self._memory
        memory.uses = {key: use for key, use in memory.uses.items() if key[2] >= before_s}
        memory.presences = {key: each for key, each in memory.presences.items() if each.until_s > now_s}
        memory.files = {key: file for key, file in memory.files.items() if _lasts(file, now_s)}

    def _log(self, entry: AuditEntry) -> None:
        self._memory.log.setdefault(entry.entry_id, entry)
        if len(self._memory.log) > LONGEST_LOG:
            del self._memory.log[next(iter(self._memory.log))]


def _lasts(file: StoredFile, now_s: float) -> bool:
    return file.expires_s is None or file.expires_s > now_s


def _is_asked_for(entry: AuditEntry, query: AuditQuery) -> bool:
    agrees = query.tenant in (None, entry.tenant) and query.action in (None, entry.action)
    return agrees and entry.at_s >= query.since_s
