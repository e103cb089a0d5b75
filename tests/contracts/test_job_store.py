"""What every job store promises about requests and their results."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from fakes import FakeClock, make_request, settle
from job_stores import EPHEMERAL_TTL_S, MAX_COMPLETED, TTL_S, Workers

from app.compound import CompoundRequest, CompoundResult
from app.errors import (
    FieldIssue,
    GenerationFailedError,
    InvalidInputError,
    OverloadedError,
    RepeatedKeyError,
    UnknownRequestError,
)
from app.generation import GenerationRequest
from app.storage.jobs import (
    Acknowledgement,
    JobStore,
    LogLine,
    NewRequest,
    Once,
    Progress,
    RequestState,
    RequestView,
)


def view(request_id: str, state: RequestState = RequestState.QUEUED, **changes: Any) -> RequestView:
    """A view in that state."""
    return RequestView(request_id=request_id, endpoint="fal-ai/flux/schnell", state=state, **changes)


def completed(request_id: str, **changes: Any) -> RequestView:
    """A view that will not change any more."""
    return view(request_id, RequestState.COMPLETED, **changes)


async def submit(
    store: JobStore, request: GenerationRequest | str, *, once: Once | None = None, deadline_s: float = 1060.0
) -> Acknowledgement:
    """Submit a request, or one with that id."""
    asked = make_request(request) if isinstance(request, str) else request
    shown = view(asked.request_id, tenant=asked.tenant if once is None else once.tenant)
    return await store.submit(
        NewRequest(view=shown, request=asked, submitted_s=1000.0, deadline_s=deadline_s, once=once)
    )


async def complete(store: JobStore, request_id: str, **changes: Any) -> RequestView:
    """Complete a request under its present lease."""
    lease = (await store.standing(request_id)).lease
    return await store.complete(lease, completed(request_id, **changes))


async def kept(store: JobStore, request_ids: Sequence[str]) -> list[str]:
    """Those of the requests that are known."""
    found = await asyncio.gather(*(store.get(request_id) for request_id in request_ids), return_exceptions=True)
    return [each.request_id for each in found if isinstance(each, RequestView)]


async def test_a_submitted_request_is_known_to_all_workers(store: JobStore, workers: Workers) -> None:
    """Its view is what was submitted, first in the queue."""
    await submit(store, "a")
    other = await workers.another()
    assert await other.get("a") == view("a", queue_position=0)


async def test_the_whole_request_is_kept(store: JobStore) -> None:
    """It can be run again as it was, whatever its prompt holds."""
    request = make_request("a", prompt='ünder "quotes" \x00 \ud800', num_images=3, start_timeout_s=1.5, seed=2**31)
    await submit(store, request)
    assert (await store.standing("a")).request == request


async def test_an_unknown_request_is_an_error(store: JobStore) -> None:
    """Get, standing, watch and completion of an id that was never submitted raise UnknownRequestError."""
    lease = (await submit(store, "a")).lease
    assert lease is not None
    calls = [
        store.get("b"),
        store.standing("b"),
        anext(store.watch("b")),
        store.complete(replace(lease, request_id="b"), completed("b")),
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [UnknownRequestError] * 4


async def test_progress_replaces_the_view(store: JobStore, workers: Workers) -> None:
    """State and log lines are shown to every worker; a running request has no place in the queue."""
    lease = (await submit(store, "a")).lease
    assert lease is not None
    running = view("a", RequestState.RUNNING, logs=(LogLine("started", 1001.5),))
    await store.publish([Progress(lease, running, has_begun=True)])
    assert await (await workers.another()).get("a") == running


@pytest.mark.parametrize(
    "error",
    [
        GenerationFailedError("no"),
        OverloadedError("full", 7.5),
        InvalidInputError((FieldIssue(("body", "loras", 0), "no such file", "value_error", {"limit": 4}),)),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_is_kept_as_it_is(store: JobStore, error: Any) -> None:
    """The kind of the error and all that it says come back."""
    await submit(store, "a")
    await complete(store, "a", error=error)
    found = (await store.get("a")).error
    assert (type(found), found.args, found.status) == (type(error), error.args, error.status)


async def test_the_input_is_forgotten_with_the_result(store: JobStore) -> None:
    """Nothing that a caller sent stays longer than it is needed."""
    await submit(store, "a")
    await complete(store, "a")
    assert (await store.standing("a")).request is None


async def test_places_follow_deadlines(store: JobStore) -> None:
    """A place counts the waiting requests of the same variant with an earlier deadline."""
    for name, deadline_s in [("late", 1090.0), ("soon", 1010.0), ("between", 1050.0)]:
        await submit(store, name, deadline_s=deadline_s)
    await submit(store, make_request("other", variant="another"), deadline_s=1099.0)
    names = ["soon", "between", "late", "other"]
    assert [(await store.get(name)).queue_position for name in names] == [0, 1, 2, 0]


async def test_completed_requests_are_kept_for_their_time(store: JobStore, clock: FakeClock) -> None:
    """The time runs from completion; after it the request is unknown."""
    await submit(store, "a")
    await clock.advance(10 * TTL_S)
    await complete(store, "a")
    await clock.advance(TTL_S)
    assert (await store.get("a")).is_completed
    await clock.advance(0.1)
    assert await kept(store, ["a"]) == []


async def test_an_ephemeral_request_is_forgotten_sooner(store: JobStore, clock: FakeClock) -> None:
    """Its result has a time of its own."""
    await submit(store, replace(make_request("a"), ephemeral=True))
    await submit(store, "b")
    for name in "ab":
        await complete(store, name)
    await clock.advance(EPHEMERAL_TTL_S + 0.1)
    assert await kept(store, ["a", "b"]) == ["b"]


async def test_unfinished_requests_are_never_forgotten(store: JobStore, clock: FakeClock) -> None:
    """Neither time nor the number of others drops a request that is not complete."""
    await submit(store, "waiting")
    for number in range(3 * MAX_COMPLETED):
        await submit(store, str(number))
        await complete(store, str(number))
    await clock.advance(100 * TTL_S)
    await store.forget()
    assert await kept(store, ["waiting", *map(str, range(3 * MAX_COMPLETED))]) == ["waiting"]


async def test_the_oldest_completed_requests_go_first(store: JobStore, clock: FakeClock) -> None:
    """Beyond the limit, the request that completed longest ago is forgotten."""
    names = [str(number) for number in range(MAX_COMPLETED + 2)]
    for name in names:
        await submit(store, name)
    for name in reversed(names):
        await complete(store, name)
        await clock.advance(1.0)
    await store.forget()
    assert await kept(store, names) == names[:MAX_COMPLETED]


async def test_a_watcher_sees_what_other_workers_do(store: JobStore, workers: Workers) -> None:
    """It is told of progress and completion, wherever they happen, and the completed view is the last."""
    lease = (await submit(store, "a")).lease
    assert lease is not None
    watching = (await workers.another()).watch("a")
    states = [(await anext(watching)).state]
    await store.publish([Progress(lease, view("a", RequestState.RUNNING), has_begun=True)])
    states.append((await anext(watching)).state)
    await complete(store, "a")
    states += [seen.state async for seen in watching]
    assert states == [RequestState.QUEUED, RequestState.RUNNING, RequestState.COMPLETED]


async def test_a_refused_request_is_kept_complete(store: JobStore) -> None:
    """What was submitted without anything to do has its error at once, and nobody can claim it."""
    refused = completed("a", error=GenerationFailedError("no"))
    await store.submit(NewRequest(view=refused, request=None, submitted_s=1000.0, deadline_s=1000.0))
    assert (await store.get("a")).is_completed
    assert await store.claim(10) == []


async def test_one_key_is_one_request(store: JobStore) -> None:
    """A second call with the same key is answered with the first request, and leases nothing."""
    once = Once("tenant", "key", "fingerprint")
    first = await submit(store, "a", once=once)
    second = await submit(store, "b", once=once)
    assert first.lease is not None
    assert second == Acknowledgement(view("a", tenant="tenant"), None)
    assert await kept(store, ["a", "b"]) == ["a"]


async def test_one_key_with_two_inputs_is_refused(store: JobStore) -> None:
    """The second input raises RepeatedKeyError, and nothing is kept of it."""
    await submit(store, "a", once=Once("tenant", "key", "fingerprint"))
    with pytest.raises(RepeatedKeyError):
        await submit(store, "b", once=Once("tenant", "key", "another"))
    assert await kept(store, ["a", "b"]) == ["a"]


async def test_keys_belong_to_tenants(store: JobStore) -> None:
    """Two tenants may choose the same key and know nothing of each other."""
    await submit(store, "a", once=Once("one", "key", "fingerprint"))
    assert (await submit(store, "b", once=Once("two", "key", "another"))).lease is not None


async def test_a_request_is_unknown_to_other_tenants(store: JobStore, workers: Workers) -> None:
    """Whoever asks in another tenant's name hears what he hears of a request that never was, complete or not."""
    await submit(store, make_request("a", tenant="one"))
    other = await workers.another()
    for _ in range(2):
        for worker, request_id in itertools.product((store, other), ("a", "never")):
            for ask in (worker.get, worker.standing):
                with pytest.raises(UnknownRequestError, match=f"^no request {request_id}$"):
                    await ask(request_id, tenant="two")
            with pytest.raises(UnknownRequestError):
                await anext(worker.watch(request_id, tenant="two"))
        assert (await other.get("a", tenant="one")).tenant == "one"
        await complete(store, "a", tenant="one")


async def test_a_key_is_free_again_when_its_result_is_forgotten(store: JobStore, clock: FakeClock) -> None:
    """It lives as long as what it stands for."""
    await submit(store, "a", once=Once("tenant", "key", "fingerprint"))
    await complete(store, "a")
    await clock.advance(TTL_S + 0.1)
    assert (await submit(store, "b", once=Once("tenant", "key", "another"))).lease is not None


async def test_of_many_calls_with_one_key_one_is_kept(store: JobStore, workers: Workers) -> None:
    """However they arrive, by whatever worker, all are answered with the same request."""
    other = await workers.another()
    once = Once("tenant", "key", "fingerprint")
    calls = [submit(each, f"{name}", once=once) for name, each in enumerate([store, other] * 10)]
    answers = await asyncio.gather(*calls)
    assert len({answer.view.request_id for answer in answers}) == 1
    assert sum(answer.lease is not None for answer in answers) == 1


async def test_many_submits_at_once_are_all_kept(store: JobStore) -> None:
    """Each is acknowledged for itself, with a lease of its own."""
    names = [str(number) for number in range(200)]
    answers = await asyncio.gather(*(submit(store, name) for name in names))
    assert [answer.view.request_id for answer in answers] == names
    assert await kept(store, names) == names


async def test_a_submit_may_be_repeated(store: JobStore) -> None:
    """A call that did not hear its answer asks again and gets the same lease."""
    assert await submit(store, "a") == await submit(store, "a")


async def test_a_waiter_that_leaves_changes_nothing(store: JobStore) -> None:
    """A submit whose caller has gone is kept or not, and the ones beside it are kept."""
    leaving = asyncio.create_task(submit(store, "a"))
    staying = asyncio.create_task(submit(store, "b"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await staying
    await settle()
    assert await kept(store, ["b"]) == ["b"]


async def test_work_that_is_made_of_others_is_kept_like_any(workers: Workers) -> None:
    """It is leased, taken over from the dead, waits in nobody's queue, and completes with what came of it."""
    asked = CompoundRequest(
        request_id="a", tenant="local", endpoint="workflows/x/y", kind="workflow", document="{}", base_url="http://here"
    )
    store, heir = await workers.another(), await workers.another()
    new = NewRequest(view=view("a", tags=(("team", "a"),)), request=asked, submitted_s=1000.0, deadline_s=1060.0)
    await store.submit(new)
    await submit(store, "b", deadline_s=1070.0)
    assert (await heir.get("b")).queue_position == 0
    workers.clock.now_s += 1000.0
    claims = {claim.request.request_id: claim for claim in await heir.claim(10)}
    assert claims["a"].request == asked
    result = CompoundResult(request_id="a", output={"x": [1, None]}, inference_s=2.0)
    await heir.complete(claims["a"].lease, completed("a", generation=result, tags=(("team", "a"),)))
    kept = await heir.get("a")
    assert (kept.generation, kept.tags) == (result, (("team", "a"),))
