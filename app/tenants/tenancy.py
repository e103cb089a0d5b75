"""Everything that one process needs to know its tenants."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.config import AuthSettings
from app.storage.tenants import TenantStore
from app.tenants.key_ring import KeyRing
from app.tenants.ledger import Ledger
from app.tenants.notebook import Notebook


@dataclass(frozen=True, slots=True)
class Tenancy:
    """Keys, accounts, and what is written down about both."""

    ring: KeyRing
    ledger: Ledger
    notebook: Notebook


def open_tenancy(store: TenantStore, settings: AuthSettings, *, clock: Callable[[], float] = time.time) -> Tenancy:
    """The tenants of a store, which is usable when its jobs are open."""
    notebook = Notebook(store)
    ring = KeyRing(store, staleness_s=settings.key_staleness_s, clock=clock)
    return Tenancy(ring, Ledger(store, settings, notebook=notebook, clock=clock), notebook)
