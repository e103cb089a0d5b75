"""The tenant store: keys, what each tenant has used, whose a file is, and who did what.

`contract` says what every store promises; `memory` keeps the promises for one process, `sql_store` over the database
of the jobs.
"""

from app.storage.tenants.contract import (
    AuditEntry,
    AuditQuery,
    Bucket,
    KeyRecord,
    News,
    Presence,
    Scope,
    StoredFile,
    TenantStore,
    Use,
)
from app.storage.tenants.memory import MemoryTenantStore
from app.storage.tenants.sql_store import SqlTenantStore

__all__ = [
    "AuditEntry",
    "AuditQuery",
    "Bucket",
    "KeyRecord",
    "MemoryTenantStore",
    "News",
    "Presence",
    "Scope",
    "SqlTenantStore",
    "StoredFile",
    "TenantStore",
    "Use",
]
