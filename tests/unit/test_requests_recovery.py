"""Queued requests and the death of the process that worked on them: nothing is lost, nobody sees two results."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes import FakeClock, ServiceBench, make_request, settle

from app.errors import (
    AlreadyCompletedError,
    GenerationFailedError,
    JobCancelledError,
    ReplicaLostError,
    RouterLostError,
    StartTimeoutError,
    UnknownRequestError,
)
from app.handling import Handling, Retries
from app.storage.jobs import Keeping, Once, RequestState
from app.storage.jobs.sql_store import SqlJobStore
from app.storage.jobs.sqlite import SqliteDatabase

LEASE_S = 10.0
KEEPING = Keeping(ttl_s=3600.0, max_completed=100, lease_s=LEASE_S)
LATER_S = 1000.0 + 2 * LEASE_S


class Gateways:
    """Gateways that share one file of jobs; each has a clock of its own, so that one can seem dead to another."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._names = (f"worker-{number}" for number in itertools.count())
        self._open: list[ServiceBench] = []

    def __call__(self, now_s: float = 1000.0) -> ServiceBench:
        """One more gateway, not at work yet."""
        bench = ServiceBench(now_s=now_s, open_jobs=self._store)
        self._open.append(bench)
        return bench

    async def close(self, bench: ServiceBench) -> None:
        """Stop one in order."""
        self._open.remove(bench)
        await bench.service.close()

    async def close_all(self) -> None:
        """Stop those that are left."""
        for bench in list(self._open):
            await self.close(bench)

    async def until_begun(self, request_id: str, times: int) -> None:
        """Wait until the file says so many times that the work on the request has started."""
        witness = self._store(FakeClock())
        await witness.open()
        while [line.message for line in (await witness.get(request_id)).logs].count("started") < times:
            await settle()
        await witness.close()

    def _store(self, clock: FakeClock) -> SqlJobStore:
        return SqlJobStore(SqliteDatabase(self._file), KEEPING, worker=next(self._names), clock=clock)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateways]:
    """No gateway yet."""
    gateways = Gateways(tmp_path / "jobs.sqlite")
    yield gateways
    await gateways.close_all()


async def started(bench: ServiceBench) -> ServiceBench:
    """The gateway, at work."""
    await bench.service.start()
    return bench


async def stuck(bench: ServiceBench) -> ServiceBench:
    """The gateway, at work, whose pictures do not get finished."""
    bench.generator.may_finish.clear()
    return await started(bench)


async def test_a_request_of_a_dead_gateway_is_run_again(gateway: Gateways) -> None:
    """The next one to start runs it with the seed that it had, and it completes."""
    dead = await stuck(gateway())
    await dead.service.submit(make_request("a", seed=7))
    heir = await started(gateway(LATER_S))
    view = await heir.completed("a")
    assert view.error is None
    assert {job.spec.seed for job in heir.generator.runs} == {7}
    assert any("begun again" in line.message for line in view.logs)


async def test_it_keeps_its_deadline(gateway: Gateways) -> None:
    """Its age is not forgotten, so it is served before what came later."""
    dead = await stuck(gateway())
    await dead.service.submit(make_request("a"))
    heir = await started(gateway(LATER_S))
    await heir.completed("a")
    assert [job.deadline_s for job in heir.generator.runs] == [1060.0]


async def test_a_gateway_that_was_thought_dead_changes_nothing(gateway: Gateways) -> None:
    """Its late result is dropped, and it answers with the one that counts."""
    slow = await stuck(gateway())
    await slow.service.submit(make_request("a"))
    heir = await started(gateway(LATER_S))
    won = await heir.completed("a")
    watching = asyncio.create_task(slow.completed("a"))
    slow.generator.may_finish.set()
    seen = await watching
    assert (seen.generation, seen.logs) == (won.generation, won.logs)
    assert await slow.service.result("a") == won.generation


async def test_a_gateway_that_stops_in_order_hands_over_at_once(gateway: Gateways) -> None:
    """Nobody waits for the end of its leases."""
    first = await stuck(gateway())
    await first.service.submit(make_request("a"))
    await gateway.close(first)
    heir = await started(gateway())
    assert (await heir.completed("a")).error is None


async def test_a_living_gateway_keeps_its_requests(gateway: Gateways) -> None:
    """One that starts beside it takes nothing."""
    first = await stuck(gateway())
    await first.service.submit(make_request("a"))
    second = await started(gateway())
    await settle()
    assert second.generator.runs == []


async def test_status_is_the_same_at_every_gateway(gateway: Gateways) -> None:
    """One that does not work on a request shows the state, the log and the result all the same."""
    first, second = await started(gateway()), await started(gateway())
    await first.service.submit(make_request("a", steps=1))
    view = await second.completed("a")
    assert [line.message for line in view.logs] == ["queued", "started", "step 1/1", "completed"]
    assert await second.service.result("a") == await first.service.result("a")


async def test_a_request_is_cancelled_at_any_gateway(gateway: Gateways) -> None:
    """The one that works on it stops, and all show that it was cancelled."""
    first, second = await stuck(gateway()), await started(gateway())
    await first.service.submit(make_request("a"))
    watching = asyncio.create_task(first.completed("a"))
    await second.service.cancel("a")
    view = await watching
    assert (view.state, type(view.error)) == (RequestState.COMPLETED, JobCancelledError)
    with pytest.raises(AlreadyCompletedError):
        await first.service.cancel("a")


async def test_a_request_that_kills_its_gateways_fails_in_the_end(gateway: Gateways) -> None:
    """After five gateways have died at work on it, it is not begun any more."""
    now_s = 1000.0
    first = await stuck(gateway(now_s))
    await first.service.submit(make_request("a"))
    for deaths in range(1, 5):
        await gateway.until_begun("a", deaths)
        now_s += 2 * LEASE_S
        await stuck(gateway(now_s))
    await gateway.until_begun("a", 5)
    last = await started(gateway(now_s + 2 * LEASE_S))
    assert isinstance((await last.completed("a")).error, GenerationFailedError)
    assert last.generator.runs == []


async def test_one_key_is_one_request_at_every_gateway(gateway: Gateways) -> None:
    """A call that is repeated elsewhere with its key is answered with the first request, which runs once."""
    first, second = await started(gateway()), await started(gateway())
    once = Once("local", "key", "fingerprint")
    await first.service.submit(make_request("a"), once=once)
    assert (await second.service.submit(make_request("b"), once=once)).request_id == "a"
    await second.completed("a")
    assert second.generator.runs == []
    with pytest.raises(UnknownRequestError):
        await second.service.status("b")


async def test_a_lost_replica_is_no_reason_to_fail() -> None:
    """A queued request whose process was lost is tried again with the same seed, as often as is allowed."""
    bench = ServiceBench()
    bench.generator.errors[3] = [ReplicaLostError("gone")] * 4
    await bench.service.submit(make_request("a", seed=3))
    await bench.clock.advance(60.0)
    assert (await bench.service.status("a")).error is None
    bench.generator.errors[4] = [ReplicaLostError("gone")] * 5
    await bench.service.submit(make_request("b", seed=4))
    await bench.clock.advance(60.0)
    assert isinstance((await bench.service.status("b")).error, ReplicaLostError)


async def test_a_lost_router_is_waited_for() -> None:
    """No request can bring a router down, so a queued one is tried until there is a router again."""
    bench = ServiceBench()
    bench.generator.errors[3] = [RouterLostError("gone")] * 40
    await bench.service.submit(make_request("a", seed=3))
    await bench.clock.advance(30.0)
    assert not (await bench.service.status("a")).is_completed
    await bench.clock.advance(30.0)
    assert (await bench.service.status("a")).generation is not None


async def test_a_lost_router_is_waited_for_no_longer_than_allowed() -> None:
    """The time in which a request has to start covers the search for somebody to start it."""
    bench = ServiceBench()
    bench.generator.errors[3] = [RouterLostError("gone")] * 40
    await bench.service.submit(make_request("a", seed=3, start_timeout_s=5.0))
    await bench.clock.advance(10.0)
    assert isinstance((await bench.service.status("a")).error, StartTimeoutError)


async def test_a_request_that_may_not_be_begun_twice(gateway: Gateways) -> None:
    """Its caller wants no retry, so it fails when the gateway that had begun with it is dead."""
    dead = await stuck(gateway())
    await dead.service.submit(make_request("a", handling=Handling(retries=Retries(0, 0))))
    await gateway.until_begun("a", 1)
    heir = await started(gateway(LATER_S))
    assert isinstance((await heir.completed("a")).error, GenerationFailedError)
    assert heir.generator.runs == []
