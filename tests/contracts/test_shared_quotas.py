"""Several gateways hold tenants to one quota, through every kind of store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes import FakeClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tenant_stores import TenantProcesses, tenant_processes

from app.config import AuthSettings, QuotaSettings
from app.errors import QuotaExceededError
from app.tenants.ledger import Ledger
from app.tenants.notebook import Notebook

MOST = 7


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def processes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TenantProcesses]:
    """Processes that share one store, of each kind in turn."""
    made = tenant_processes(request.param, tmp_path, lambda: request.getfixturevalue("postgres_url"))
    yield made
    await made.close()


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway's part."""

    ledger: Ledger
    notebook: Notebook

    async def begins(self, tenant: str) -> bool:
        """Whether one more request of the tenant may begin here; what is known of it is written down."""
        try:
            await self.ledger.queued(tenant)
        except QuotaExceededError:
            return False
        finally:
            await self.notebook.flush()
        return True


async def gateways(processes: TenantProcesses, clock: FakeClock, *, staleness_s: float) -> list[Gateway]:
    """Three gateways."""
    auth = AuthSettings(quota=QuotaSettings(requests=MOST, window_s=60), usage_staleness_s=staleness_s)
    stores = [await processes.another() for _ in range(3)]
    books = [Notebook(store) for store in stores]
    return [
        Gateway(Ledger(store, auth, notebook=book, clock=clock), book)
        for store, book in zip(stores, books, strict=True)
    ]


async def test_in_step_they_admit_what_one_may(processes: TenantProcesses) -> None:
    """Gateways that have heard of each other admit exactly the quota, in whatever order they are asked."""
    clock = FakeClock(10_000.0)
    three = await gateways(processes, clock, staleness_s=0.5)
    admitted = 0
    for number in range(3 * MOST):
        clock.now_s += 0.5
        admitted += await three[number % 3].begins("acme")

    assert admitted == MOST
    assert await three[0].begins("else")
    clock.now_s += 70.0
    assert await three[1].begins("acme")


async def test_out_of_step_they_exceed_it_by_what_they_have_not_heard(processes: TenantProcesses) -> None:
    """In one moment each may admit the quota, and no more; in the next, when they have heard, nothing."""
    clock = FakeClock(10_000.0)
    three = await gateways(processes, clock, staleness_s=5.0)
    for gateway in three:
        await gateway.ledger.usage("acme")
    first = [sum([await gateway.begins("acme") for _ in range(2 * MOST)]) for gateway in three]
    clock.now_s += 5.0
    then = [await gateway.begins("acme") for gateway in three]

    assert max(first) <= MOST
    assert not any(then)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 30)), max_size=40))
async def test_no_window_holds_more(asked: list[tuple[int, float]]) -> None:
    """Whenever requests come, at whichever of three gateways in step, no window of that length has more of them."""
    clock = FakeClock(10_000.0)
    processes = TenantProcesses(None)
    three = await gateways(processes, clock, staleness_s=1e-9)
    times = []
    for which, pause_s in asked:
        clock.now_s += pause_s + 0.001
        if await three[which].begins("acme"):
            times.append(clock.now_s)

    assert all(sum(begin <= each < begin + 60 for each in times) <= MOST for begin in times)
