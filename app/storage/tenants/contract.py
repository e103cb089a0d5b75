"""What a tenant store promises: what was put is found by every process, and the audit log only grows."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Scope(StrEnum):
    """What a key may do; `admin` may do everything."""

    GENERATE = "generate"
    READ = "read"
    FILES = "files"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """An API key as it is kept: its secret only as a digest. Times are epoch seconds; it ends at the earlier one."""

    key_id: str
    tenant: str
    digest: str
    scopes: frozenset[Scope]
    created_s: float
    expires_s: float | None = None
    revoked_s: float | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was used in the seconds from `start_s` on: requests begun, device milliseconds of requests that ended."""

    start_s: int
    requests: int = 0
    gpu_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Use:
    """All that one process has counted for a tenant in one bucket so far."""

    tenant: str
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class Presence:
    """How many of a tenant's direct requests a process has under way, believed until that epoch second."""

    tenant: str
    under_way: int
    until_s: float


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a tenant, by its key in the blob store; `expires_s` is None for one that stays."""

    file_key: str
    tenant: str
    byte_count: int
    expires_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, when and from where, and what came of it; never a prompt, never a secret."""

    entry_id: str
    at_s: float
    tenant: str
    key_id: str
    action: str
    subject: str
    outcome: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which entries are asked for: every given part must agree; the latest come first."""

    tenant: str | None = None
    action: str | None = None
    since_s: float = 0.0
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What one process tells the store in one go; telling it twice changes nothing."""

    uses: tuple[Use, ...] = ()
    presences: tuple[Presence, ...] = ()
    files: tuple[StoredFile, ...] = ()
    entries: tuple[AuditEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Footprint:
    """The bytes of a tenant's files, and when the next of them expires, where one does."""

    byte_count: int
    next_expiry_s: float | None


class TenantStore(Protocol):
    """Keys, use, files and the audit log of all tenants; each object is one process.

    What a call has returned for is committed. Every method raises StoreUnavailableError when the store cannot be
    reached in time; the call may then have taken effect, and can be made again.
    """

    async def put_key(self, key: KeyRecord, entry: AuditEntry) -> None:
        """Keep the key, in place of the one with its id, and with it the entry that tells so."""
        ...

    async def key(self, key_id: str) -> KeyRecord | None:
        """The key with that id, whatever its state."""
        ...

    async def keys(self, tenant: str | None = None) -> list[KeyRecord]:
        """The tenant's keys, or everybody's, oldest first."""
        ...

    async def tell(self, news: News) -> None:
        """Keep the news; of a use or a presence, the latest of this process counts."""
        ...

    async def used_elsewhere(self, tenant: str, *, since_s: float) -> list[Bucket]:
        """What other processes have counted for the tenant, in buckets that start at `since_s` or later."""
        ...

    async def under_way_elsewhere(self, tenant: str, *, now_s: float) -> int:
        """How many of the tenant's direct requests other processes have under way."""
        ...

    async def footprint(self, tenant: str, *, now_s: float) -> Footprint:
        """The tenant's files that have not expired."""
        ...

    async def owner(self, file_key: str) -> str | None:
        """Whose the file is; None when nobody's is known."""
        ...

    async def forget_file(self, file_key: str) -> None:
        """The file is no more; unknown keys are ignored."""
        ...

    async def entries(self, query: AuditQuery) -> list[AuditEntry]:
        """The entries of the audit log that were asked for, the latest first."""
        ...

    async def forget(self, *, before_s: float, now_s: float) -> None:
        """Drop uses of buckets that start before `before_s`, and what is over at `now_s`: presences, expired files."""
        ...
