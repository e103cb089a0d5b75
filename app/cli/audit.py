"""`darkroom audit`: who did what, when and from where."""

import asyncio
import json
import time
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.keys import duration_s, told
from app.cli.up import LOCAL, ConfigOption
from app.config import DarkroomSettings, load_settings
from app.storage.opening import opened_tenants
from app.storage.tenants import AuditEntry, AuditQuery


def audit(
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    action: Annotated[
        str | None, typer.Option(help="Only submit, run, cancel, delete, refused, key revoked, ….")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="24h", help="Only of the time since then.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of words, one object a line.")] = False,
    config: ConfigOption = LOCAL,
) -> None:
    """Show what tenants did and who was refused; prompts and secrets are never in it."""
    since_s = 0.0 if since is None else time.time() - duration_s(since)
    query = AuditQuery(tenant=tenant, action=action, since_s=since_s, limit=limit)
    found = asyncio.run(_entries(load_settings(config), query))
    for entry in found:
        typer.echo(json.dumps(asdict(entry)) if as_json else line_of(entry))


def line_of(entry: AuditEntry) -> str:
    """The entry in one line: when (UTC), who, what, on what, with what outcome, from where."""
    who = f"{entry.tenant or '-'} {entry.key_id or '-'}"
    return f"{told(entry.at_s)}  {who}  {entry.action} {entry.subject}  {entry.outcome or '-'}  {entry.origin}"


async def _entries(settings: DarkroomSettings, query: AuditQuery) -> list[AuditEntry]:
    async with opened_tenants(settings.storage) as store:
        return await store.entries(query)
