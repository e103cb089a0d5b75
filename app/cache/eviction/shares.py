"""Room for each tenant, so that none lives at another's cost."""

from app.cache.eviction.contract import Entry
from app.cache.eviction.probation import ProbationCache


class TenantShares:
    """Keeps at most `max_entries` in all, and at most `tenant_bytes` of each tenant.

    A tenant over its bytes gives way to itself; when there are too many entries, the tenant with most of them does.
    """

    def __init__(self, *, max_entries: int, tenant_bytes: int | None = None) -> None:
        self._max_entries = max_entries
        self._tenant_bytes = tenant_bytes
        self._tenants: dict[str, ProbationCache] = {}
        self._owners: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def __contains__(self, key: str) -> bool:
        return key in self._owners

    def bytes_of(self, tenant: str) -> int:
        """How many bytes of the tenant's pictures are kept."""
        return self._tenants[tenant].byte_count if tenant in self._tenants else 0

    def insert(self, entry: Entry) -> tuple[str, ...]:
        """Keep the entry; the keys that gave way to it, its own among them when it is larger than all its room."""
        if self._owners.get(entry.key) != entry.tenant:
            self.discard(entry.key)
        own = self._tenants.setdefault(entry.tenant, ProbationCache())
        own.insert(entry)
        self._owners[entry.key] = entry.tenant
        gone = []
        while self._tenant_bytes is not None and own.byte_count > self._tenant_bytes:
            gone.append(self._evict(entry.tenant))
        while len(self._owners) > self._max_entries:
            gone.append(self._evict(max(self._tenants, key=lambda tenant: len(self._tenants[tenant]))))
        return tuple(gone)

    def touch(self, key: str) -> None:
        """Count one use; unknown keys are ignored."""
        if key in self._owners:
            self._tenants[self._owners[key]].touch(key)

    def discard(self, key: str) -> None:
        """Forget the key; unknown keys are ignored."""
        if key in self._owners:
            self._tenants[self._owners.pop(key)].discard(key)

    def _evict(self, tenant: str) -> str:
        key = self._tenants[tenant].evict()
        if key is None:
            raise LookupError(f"tenant {tenant!r} has nothing to give way")
        del self._owners[key]
        return key
