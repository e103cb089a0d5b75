"""The tenant store over the database of the jobs."""

from dataclasses import asdict
from typing import Any

import app.storage.tenants.statements as statements
from app.storage.jobs.database import Database, Row, Statement
from app.storage.tenants.contract import (
    AuditEntry,
    AuditQuery,
    Bucket,
    Footprint,
    KeyRecord,
    News,
    Scope,
    Use,
)


class SqlTenantStore:
    """Tables beside the requests; `worker` names this process. The database is opened by who opens the jobs.

    Every statement may be repeated: counts are written as what this process has counted in all.
    """

    def __init__(self, database: Database, *, worker: str) -> None:
        self._database = database
        self._worker = worker

    async def put_key(self, key: KeyRecord, entry: AuditEntry) -> None:
        """Keep the key and the entry."""
        row = asdict(key) | {"scopes": " ".join(sorted(key.scopes))}
        await self._database.write((statements.PUT_KEY, row), (statements.PUT_ENTRY, asdict(entry)))

    async def key(self, key_id: str) -> KeyRecord | None:
        """The key with that id, whatever its state."""
        rows = await self._database.read((statements.KEY, {"key_id": key_id}))
        return _key(rows[0]) if rows else None

    async def keys(self, tenant: str | None = None) -> list[KeyRecord]:
        """The tenant's keys, or everybody's, oldest first."""
        return [_key(row) for row in await self._database.read((statements.KEYS, {"tenant": tenant}))]

    async def tell(self, news: News) -> None:
        """Keep the news."""
        changes: list[Statement] = [(statements.PUT_USE, self._use_row(use)) for use in news.uses]
        changes += [(statements.PUT_PRESENCE, self._mine(asdict(each))) for each in news.presences]
        changes += [(statements.PUT_FILE, asdict(file)) for file in news.files]
        changes += [(statements.PUT_ENTRY, asdict(entry)) for entry in news.entries]
        if changes:
            await self._database.write(*changes)

    async def used_elsewhere(self, tenant: str, *, since_s: float) -> list[Bucket]:
        """What other processes have counted for the tenant, in buckets that start at `since_s` or later."""
        asked = self._mine({"tenant": tenant, "since_s": since_s})
        rows = await self._database.read((statements.USED_ELSEWHERE, asked))
        return [Bucket(start_s, int(requests), float(gpu_ms)) for start_s, requests, gpu_ms in rows]

    async def under_way_elsewhere(self, tenant: str, *, now_s: float) -> int:
        """How many of the tenant's direct requests other processes have under way."""
        asked = self._mine({"tenant": tenant, "now_s": now_s})
        ((count,),) = await self._database.read((statements.UNDER_WAY_ELSEWHERE, asked))
        return int(count)

    async def footprint(self, tenant: str, *, now_s: float) -> Footprint:
        """The tenant's files that have not expired."""
        ((count, end_s),) = await self._database.read((statements.FOOTPRINT, {"tenant": tenant, "now_s": now_s}))
        return Footprint(int(count), end_s)

    async def owner(self, file_key: str) -> str | None:
        """Whose the file is; None when nobody's is known."""
        rows = await self._database.read((statements.OWNER, {"file_key": file_key}))
        return rows[0][0] if rows else None

    async def forget_file(self, file_key: str) -> None:
        """The file is no more; unknown keys are ignored."""
        await self._database.write((statements.FORGET_FILE, {"file_key": file_key}))

    async def entries(self, query: AuditQuery) -> list[AuditEntry]:
        """The entries of the audit log that were asked for, the latest first."""
        asked = {"tenant": query.tenant, "action": query.action, "since_s": query.since_s, "most": query.limit}
        rows = await self._database.read((statements.ENTRIES, asked))
        names = tuple(AuditEntry.__dataclass_fields__)
        return [AuditEntry(**dict(zip(names, row, strict=True))) for row in rows]

    async def forget(self, *, before_s: float, now_s: float) -> None:
        """Drop what is over."""
        await self._database.write(
            (statements.FORGET_USES, {"before_s": before_s}),
            (statements.FORGET_PRESENCES, {"now_s": now_s}),
            (statements.FORGET_FILES, {"now_s": now_s}),
        )

    def _mine(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"worker": self._worker}

    def _use_row(self, use: Use) -> dict[str, Any]:
        return self._mine({"tenant": use.tenant} | asdict(use.bucket))


def _key(row: Row) -> KeyRecord:
    key_id, tenant, digest, scopes, created_s, expires_s, revoked_s = row
    return KeyRecord(
        key_id=key_id,
        tenant=tenant,
        digest=digest,
        scopes=frozenset(map(Scope, scopes.split())),
        created_s=created_s,
        expires_s=expires_s,
        revoked_s=revoked_s,
    )
