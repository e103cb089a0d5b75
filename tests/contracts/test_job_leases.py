"""What every job store promises about who may work on a request."""

import asyncio
from dataclasses import replace

import pytest
from fakes import FakeClock, make_request
from job_stores import LEASE_S, Workers

from app.errors import LeaseLostError
from app.storage.jobs import JobStore, Lease, NewRequest, Progress, RequestState, RequestView


def view(request_id: str, state: RequestState = RequestState.QUEUED) -> RequestView:
    """A view in that state."""
    return RequestView(request_id=request_id, endpoint="fal-ai/flux/schnell", state=state)


async def submit(store: JobStore, request_id: str, *, deadline_s: float = 1060.0) -> Lease:
    """Submit a request and get its lease."""
    request = make_request(request_id)
    new = NewRequest(view=view(request_id), request=request, submitted_s=1000.0, deadline_s=deadline_s)
    lease = (await store.submit(new)).lease
    assert lease is not None
    return lease


async def test_who_submits_has_the_lease(store: JobStore, workers: Workers) -> None:
    """Nobody else can claim the request while the lease lasts."""
    await submit(store, "a")
    assert await (await workers.another()).claim(10) == []


async def test_a_stale_lease_is_taken_over(store: JobStore, workers: Workers, clock: FakeClock) -> None:
    """When its holder was not heard of for long enough, another one gets the whole request and a higher fence."""
    lease = await submit(store, "a")
    await clock.advance(LEASE_S + 0.1)
    (claim,) = await (await workers.another()).claim(10)
    assert (claim.request, claim.view, claim.submitted_s) == (make_request("a"), view("a"), 1000.0)
    assert claim.lease.fence > lease.fence


async def test_a_renewed_lease_lasts(store: JobStore, workers: Workers, clock: FakeClock) -> None:
    """A holder that is heard of in time keeps its requests, and is told which."""
    lease = await submit(store, "a")
    for _ in range(3):
        await clock.advance(0.9 * LEASE_S)
        assert await store.renew() == [lease]
    assert await (await workers.another()).claim(10) == []


async def test_a_late_renewal_is_good_while_nobody_has_claimed(store: JobStore, clock: FakeClock) -> None:
    """A holder that was slow goes on when it was not missed."""
    lease = await submit(store, "a")
    await clock.advance(2 * LEASE_S)
    assert await store.renew() == [lease]
    assert await store.claim(10) == []


async def test_a_released_lease_is_free_at_once(store: JobStore, workers: Workers) -> None:
    """Who stops in order makes nobody wait; its renewal does not take the request back."""
    lease = await submit(store, "a")
    await store.release([lease])
    assert await store.renew() == []
    (claim,) = await (await workers.another()).claim(10)
    assert claim.lease.request_id == "a"


async def test_a_fenced_worker_cannot_complete(store: JobStore, workers: Workers, clock: FakeClock) -> None:
    """It raises LeaseLostError and changes nothing; the new holder's result counts."""
    lease = await submit(store, "a")
    await clock.advance(LEASE_S + 0.1)
    other = await workers.another()
    (claim,) = await other.claim(10)
    with pytest.raises(LeaseLostError):
        await store.complete(lease, view("a", RequestState.COMPLETED))
    await store.publish([Progress(lease, view("a", RequestState.RUNNING), has_begun=True)])
    assert (await store.get("a")).state is RequestState.QUEUED
    done = view("a", RequestState.COMPLETED)
    assert await other.complete(claim.lease, done) is done


async def test_the_first_completion_wins(store: JobStore) -> None:
    """A later one under the same lease is answered with the first, however often it comes."""
    lease = await submit(store, "a")
    first = replace(view("a", RequestState.COMPLETED), inference_s=1.0)
    second = replace(view("a", RequestState.COMPLETED), inference_s=2.0)
    assert await store.complete(lease, first) == first
    assert [await store.complete(lease, second) for _ in range(2)] == [first, first]


async def test_a_completion_may_be_repeated(store: JobStore) -> None:
    """Who did not hear the answer asks again and is told that its own result counts."""
    lease = await submit(store, "a")
    done = view("a", RequestState.COMPLETED)
    await store.complete(lease, done)
    assert await store.complete(lease, done) is done


async def test_a_completed_request_is_nobodys(store: JobStore, clock: FakeClock) -> None:
    """It cannot be claimed, renewed or changed."""
    lease = await submit(store, "a")
    await store.complete(lease, view("a", RequestState.COMPLETED))
    await store.publish([Progress(lease, view("a", RequestState.RUNNING), has_begun=True)])
    await store.release([lease])
    await clock.advance(LEASE_S + 0.1)
    assert (await store.renew(), await store.claim(10)) == ([], [])
    assert (await store.get("a")).is_completed


async def test_the_most_urgent_are_claimed_first(store: JobStore, workers: Workers) -> None:
    """A claim takes at most as many as it asks for, in the order of their deadlines."""
    deadlines = {"late": 1090.0, "soon": 1010.0, "between": 1050.0}
    leases = [await submit(store, name, deadline_s=deadline_s) for name, deadline_s in deadlines.items()]
    await store.release(leases)
    other = await workers.another()
    claimed = [[claim.lease.request_id for claim in await other.claim(2)] for _ in range(3)]
    assert claimed == [["soon", "between"], ["late"], []]


async def test_concurrent_claimers_never_get_the_same_request(store: JobStore, workers: Workers) -> None:
    """Of eight that claim at once, each request goes to exactly one."""
    names = {str(number) for number in range(60)}
    await store.release(await asyncio.gather(*(submit(store, name) for name in names)))
    claimers = [await workers.another() for _ in range(8)]
    rounds = [claimer.claim(5) for claimer in claimers for _ in range(3)]
    claimed = [claim.lease.request_id for claims in await asyncio.gather(*rounds) for claim in claims]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) == names


async def test_attempts_count_the_holders_that_were_lost_at_work(store: JobStore, clock: FakeClock) -> None:
    """One that had not begun, or has not begun again, does not count."""
    lease = await submit(store, "a")
    counts = []
    for has_begun in (False, True, False, True):
        await store.publish([Progress(lease, view("a"), has_begun=has_begun)])
        await clock.advance(LEASE_S + 0.1)
        (claim,) = await store.claim(1)
        lease = claim.lease
        counts.append(claim.attempts)
    assert counts == [0, 1, 1, 2]


async def test_others_are_heard(store: JobStore, workers: Workers) -> None:
    """A worker is told when another one changes a request; what it does itself is no news."""
    other = await workers.another()
    if other is store:
        pytest.skip("in memory there are no others")
    heard = asyncio.Event()
    lease = await submit(store, "a")
    store.listen(lambda request_id: heard.set() if request_id in (None, "a") else None)
    heard.clear()
    await other.complete(lease, view("a", RequestState.COMPLETED))
    await asyncio.wait_for(heard.wait(), 10)
    assert (await store.get("a")).is_completed
