"""`darkroom keys`: the API keys of tenants, in the store that the configuration names."""

import asyncio
import getpass
import re
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from app.cli.up import LOCAL, ConfigOption
from app.config import DarkroomSettings, load_settings
from app.errors import ConfigurationError
from app.storage.opening import opened_tenants
from app.storage.tenants import AuditEntry, KeyRecord, Scope, TenantStore
from app.tenants.keys import NewKey, is_good, new_key, rotated
from app.tenants.ledger import Ledger
from app.tenants.notebook import Notebook

keys = typer.Typer(help="API keys of tenants: whoever has one calls in its tenant's name.", no_args_is_help=True)

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(?P<number>\d{1,9}(?:\.\d+)?)(?P<unit>[smhd])", re.ASCII)
_KEY_WIDTH = 19
_USUAL = [Scope.GENERATE, Scope.READ, Scope.FILES]


def duration_s(text: str) -> float:
    """The seconds of `90s`, `30m`, `24h` or `365d`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a number with s, m, h or d behind it, for example 24h")
    return float(found["number"]) * _UNITS_S[found["unit"]]


@keys.command()
def create(
    tenant: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; absent: generate, read and files.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="90d", help="After how long it ends; absent: never.")] = None,
    config: ConfigOption = LOCAL,
) -> None:
    """Make a key and show it, this once."""
    lasts_s = None if expires is None else duration_s(expires)
    show_once(asyncio.run(_create(load_settings(config), tenant, scope or _USUAL, lasts_s)), Console())


@keys.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Argument(help="Whose keys; absent: everybody's.")] = None,
    config: ConfigOption = LOCAL,
) -> None:
    """Show which keys there are, without their secrets."""
    found = asyncio.run(_keys(load_settings(config), tenant))
    Console().print(key_table(found, now_s=time.time()))


@keys.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The part of the key before the colon.")],
    overlap: Annotated[str, typer.Option(metavar="24h", help="How long the old key is still good.")] = "24h",
    config: ConfigOption = LOCAL,
) -> None:
    """Make a key that may do the same, and let the old one end a while later."""
    show_once(asyncio.run(_rotate(load_settings(config), key_id, duration_s(overlap))), Console())


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The part of the key before the colon.")], config: ConfigOption = LOCAL
) -> None:
    """End a key, and every token given out for it; gateways notice within `auth.key_staleness_s`."""
    settings = load_settings(config)
    asyncio.run(_revoke(settings, key_id))
    Console().print(f"{key_id} is revoked; every gateway knows within {settings.auth.key_staleness_s:g} s.")


@keys.command()
def usage(
    tenant: Annotated[str, typer.Argument(help="Whose use.")],
    config: ConfigOption = LOCAL,
) -> None:
    """Show what a tenant has used in its window, and what it may."""
    Console().print(asyncio.run(_usage(load_settings(config), tenant)))


def show_once(made: NewKey, console: Console) -> None:
    """Print a new key; it can never be shown again."""
    scopes = ", ".join(sorted(made.record.scopes))
    console.print(f"A key of {made.record.tenant} for {scopes}. It is shown this once:\n", highlight=False)
    console.print(f"export FAL_KEY={made.text}", soft_wrap=True, highlight=False, markup=False)


def key_table(found: list[KeyRecord], *, now_s: float) -> Table:
    """One line for each key: whose it is, what it may do, and how it stands."""
    table = Table(Column("key", no_wrap=True, min_width=_KEY_WIDTH), "tenant", "scopes", "made", "state")
    for key in found:
        table.add_row(key.key_id, key.tenant, " ".join(sorted(key.scopes)), told(key.created_s), _state(key, now_s))
    return table


def told(at_s: float) -> str:
    """The moment in UTC, to the second."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _state(key: KeyRecord, now_s: float) -> str:
    if key.revoked_s is not None:
        return f"revoked {told(key.revoked_s)}"
    if key.expires_s is None:
        return "good"
    return f"good until {told(key.expires_s)}" if is_good(key, now_s=now_s) else f"expired {told(key.expires_s)}"


async def _create(settings: DarkroomSettings, tenant: str, scopes: list[Scope], lasts_s: float | None) -> NewKey:
    now_s = time.time()
    made = new_key(tenant, scopes, now_s=now_s, expires_s=None if lasts_s is None else now_s + lasts_s)
    async with opened_tenants(settings.storage) as store:
        await store.put_key(made.record, _entry("key created", made.record, now_s))
    return made


async def _rotate(settings: DarkroomSettings, key_id: str, overlap_s: float) -> NewKey:
    now_s = time.time()
    async with opened_tenants(settings.storage) as store:
        old = await _found(store, key_id)
        if not is_good(old, now_s=now_s):
            raise ConfigurationError(f"{key_id} has ended; make a new key with: darkroom keys create {old.tenant}")
        ending, made = rotated(old, now_s=now_s, overlap_s=overlap_s)
        await store.put_key(made.record, _entry("key created", made.record, now_s))
        await store.put_key(ending, _entry("key rotated", ending, now_s, outcome=made.record.key_id))
    return made


async def _revoke(settings: DarkroomSettings, key_id: str) -> None:
    now_s = time.time()
    async with opened_tenants(settings.storage) as store:
        key = await _found(store, key_id)
        if key.revoked_s is None:
            await store.put_key(replace(key, revoked_s=now_s), _entry("key revoked", key, now_s))


async def _usage(settings: DarkroomSettings, tenant: str) -> Table:
    async with opened_tenants(settings.storage) as store:
        ledger = Ledger(store, settings.auth, notebook=Notebook(store), clock=time.time)
        quota, used = await ledger.usage(tenant)
    table = Table(f"{tenant}, last {quota.window_s:g} s", "used", "may use")
    rows = (
        ("requests", used.requests, quota.requests),
        ("GPU-seconds", round(used.gpu_s, 3), quota.gpu_seconds),
        ("requests at once", used.under_way, quota.concurrent),
        ("bytes stored", used.stored_bytes, quota.stored_bytes),
    )
    for name, value, limit in rows:
        table.add_row(name, f"{value}", "any" if limit is None else f"{limit:g}")
    return table


async def _keys(settings: DarkroomSettings, tenant: str | None) -> list[KeyRecord]:
    async with opened_tenants(settings.storage) as store:
        return await store.keys(tenant)


async def _found(store: TenantStore, key_id: str) -> KeyRecord:
    key = await store.key(key_id)
    if key is None:
        raise ConfigurationError(f"there is no key {key_id}; see: darkroom keys list")
    return key


def _entry(action: str, key: KeyRecord, now_s: float, *, outcome: str = "") -> AuditEntry:
    return AuditEntry(
        entry_id=uuid.uuid4().hex,
        at_s=now_s,
        tenant=key.tenant,
        key_id=key.key_id,
        action=action,
        subject=key.key_id,
        outcome=outcome,
        origin=f"command line of {getpass.getuser()}",
    )
