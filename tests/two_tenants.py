"""The whole application for two tenants with keys of their own, over any store, with every look-up counted."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fakes import make_levels
from fastapi import FastAPI
from painting import LOCAL, Painter

from app.api.app import create_app
from app.api.fetch import GuardedFetcher
from app.config import AuthSettings, KeyRule, StorageSettings, load_settings
from app.errors import GenerationFailedError
from app.service import DarkroomService
from app.storage.opening import open_stores
from app.storage.tenants import AuditEntry, Scope, TenantStore
from app.tenants.keys import NewKey, new_key
from app.tenants.tenancy import Tenancy, open_tenancy

SECRET = b"s" * 32
BASE = "http://darkroom"
# Nothing is looked up twice because a test took long.
CALM = AuthSettings(required=KeyRule.ALWAYS, key_staleness_s=3600, usage_staleness_s=3600)
_COUNTED = ("get", "standing", "watch", "submit", "complete", "exists", "size", "read", "read_span", "owner", "key")


class Counted:
    """An object whose look-ups are written into a list, by name, as they are made."""

    def __init__(self, inner: Any, log: list[str]) -> None:
        self._inner = inner
        self._log = log

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in _COUNTED:
            return found

        def counted(*arguments: Any, **named: Any) -> Any:
            self._log.append(name)
            return found(*arguments, **named)

        return counted


@dataclass(frozen=True, slots=True)
class House:
    """The application, who draws for it, its tenants, and the look-ups that its stores have seen."""

    app: FastAPI
    painter: Painter
    service: DarkroomService
    tenancy: Tenancy
    tenants: TenantStore
    lookups: list[str]

    async def key(self, tenant: str, *scopes: Scope, **changes: Any) -> NewKey:
        """A new key of the tenant, with every scope unless some are named."""
        made = new_key(tenant, scopes or (Scope.GENERATE, Scope.READ, Scope.FILES), now_s=time.time(), **changes)
        await self.tenants.put_key(made.record, entry_about(made))
        return made

    def client(self, authorization: str | None, **headers: str) -> httpx.AsyncClient:
        """A client that shows this `Authorization`, if any."""
        shown = headers if authorization is None else {"Authorization": authorization} | headers
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=BASE, headers=shown)


def entry_about(made: NewKey) -> AuditEntry:
    """What the audit log has of the key's making."""
    record = made.record
    return AuditEntry(
        entry_id=record.key_id,
        at_s=record.created_s,
        tenant=record.tenant,
        key_id=record.key_id,
        action="key created",
        subject=record.key_id,
        outcome="",
        origin="test",
    )


@asynccontextmanager
async def house(jobs: str, *, auth: AuthSettings | None = None, host: str = "127.0.0.1") -> AsyncIterator[House]:
    """The application over the store that `jobs` names; everybody needs a key unless `auth` says otherwise."""
    local = load_settings(LOCAL)
    settings = local.model_copy(
        update={
            "server": local.server.model_copy(update={"host": host}),
            "auth": auth or CALM,
        }
    )
    stores = open_stores(StorageSettings(jobs=jobs))
    painter = Painter(errors={"broken": GenerationFailedError("no picture")})
    lookups: list[str] = []
    tenancy = open_tenancy(Counted(stores.tenants, lookups), settings.auth)
    blobs = Counted(painter.blobs, lookups)
    service = DarkroomService(
        generator=painter,
        cache=make_levels(painter.blobs, max_entries=2000),
        jobs=Counted(stores.jobs, lookups),
        routing=settings.routing,
        revision=lambda variant: variant,
        admission=tenancy.ledger,
    )
    app = create_app(
        service=service,
        blobs=blobs,
        fetcher=GuardedFetcher(settings=settings.fetch, blobs=blobs, open_transport=httpx.AsyncHTTPTransport),
        settings=settings,
        secret=SECRET,
        outbox=stores.jobs,
        open_transport=httpx.AsyncHTTPTransport,
        tenancy=tenancy,
    )
    await service.start()
    try:
        yield House(app, painter, service, tenancy, stores.tenants, lookups)
    finally:
        await tenancy.notebook.flush()
        await service.close()
