"""SingleFlight: identical work is done once, and no caller suffers from another."""

import asyncio
import contextvars

import pytest
from fakes import settle
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cache.single_flight import Listener, SingleFlight


class Desk:
    """Callers of one piece of work that the test ends when it likes; `runs` counts how often it began."""

    def __init__(self) -> None:
        self.flights = SingleFlight[str, int]()
        self.runs = 0
        self.cancelled = 0
        self.ends: list[asyncio.Future[int]] = []

    async def work(self, report: Listener[str]) -> int:
        """Report the start, then wait for the test."""
        self.runs += 1
        report(f"run {self.runs}")
        end = asyncio.get_running_loop().create_future()
        self.ends.append(end)
        try:
            return await end
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def call(self, key: str = "key") -> tuple[asyncio.Task[int], list[str]]:
        """One caller, and what it hears."""
        heard: list[str] = []
        caller = asyncio.create_task(self.flights.do(key, work=self.work, listen=heard.append))
        await settle()
        return caller, heard


async def test_identical_work_is_done_once() -> None:
    """Everyone who asks while it is under way gets the one result, and hears it from the beginning."""
    desk = Desk()
    callers = [await desk.call() for _ in range(3)]
    desk.ends[0].set_result(7)
    assert await asyncio.gather(*(caller for caller, _ in callers)) == [7, 7, 7]
    assert [heard for _, heard in callers] == [["run 1"]] * 3
    assert desk.runs == 1


async def test_different_keys_are_different_work() -> None:
    """Work is shared under equal keys alone."""
    desk = Desk()
    (one, _), (other, _) = await desk.call("one"), await desk.call("other")
    desk.ends[0].set_result(1)
    desk.ends[1].set_result(2)
    assert (await one, await other) == (1, 2)


async def test_finished_work_is_not_shared() -> None:
    """Who asks after the end begins anew: remembering is the cache's task."""
    desk = Desk()
    first, _ = await desk.call()
    desk.ends[0].set_result(1)
    await first
    second, _ = await desk.call()
    desk.ends[1].set_result(2)
    assert await second == 2


async def test_a_failure_reaches_the_one_who_began_and_another_takes_over() -> None:
    """The first caller gets the error; the second begins again, and the third joins it."""
    desk = Desk()
    (first, _), (second, heard), (third, _) = await desk.call(), await desk.call(), await desk.call()
    desk.ends[0].set_exception(ConnectionError("lost"))
    with pytest.raises(ConnectionError):
        await first
    await settle()
    desk.ends[1].set_result(9)
    assert (await second, await third) == (9, 9)
    assert heard == ["run 1", "run 2"]
    assert desk.runs == 2


async def test_a_caller_who_leaves_does_not_stop_work_that_others_wait_for() -> None:
    """Even the one who began may go."""
    desk = Desk()
    (first, _), (second, _) = await desk.call(), await desk.call()
    first.cancel()
    await settle()
    desk.ends[0].set_result(3)
    assert await second == 3
    assert first.cancelled()
    assert desk.cancelled == 0


async def test_work_knows_nothing_of_the_call_that_began_it() -> None:
    """It goes on for those who joined, so the end of the first one's call must not reach it."""
    request_id = contextvars.ContextVar("request_id", default="none")
    request_id.set("of the first caller")
    seen: list[str] = []

    async def work(_: Listener[str]) -> int:
        """Note whose call it is."""
        seen.append(request_id.get())
        return 1

    await SingleFlight[str, int]().do("key", work=work, listen=lambda _: None)
    assert seen == ["none"]


async def test_work_that_nobody_waits_for_is_cancelled() -> None:
    """When the last caller has gone, the work stops, and a newcomer does not join what is stopping."""
    desk = Desk()
    (first, _), (second, _) = await desk.call(), await desk.call()
    first.cancel()
    second.cancel()
    newcomer = asyncio.create_task(desk.flights.do("key", work=desk.work, listen=lambda _: None))
    await settle()
    assert (desk.runs, desk.cancelled) == (2, 1)
    desk.ends[1].set_result(4)
    assert await newcomer == 4


async def test_work_that_is_still_stopping_does_not_disturb_its_successor() -> None:
    """Who asks after the stop has ended still joins the work that was begun meanwhile."""
    flights, stopped, begun = SingleFlight[str, int](), asyncio.Event(), []

    async def work(report: Listener[str]) -> int:
        """Never end, and take until told so to stop."""
        begun.append("work")
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            await stopped.wait()

    def call() -> asyncio.Task[int]:
        """One caller."""
        return asyncio.create_task(flights.do("key", work=work, listen=lambda _: None))

    leaving = call()
    await settle()
    leaving.cancel()
    await settle()
    callers = [call()]
    await settle()
    stopped.set()
    await settle()
    callers.append(call())
    await settle()
    assert len(begun) == 2
    await flights.close()


async def test_who_has_left_hears_nothing_more() -> None:
    """Reports reach only those who still wait."""
    flights, release, heard = SingleFlight[str, int](), asyncio.Event(), []

    async def work(report: Listener[str]) -> int:
        """Report when told so."""
        await release.wait()
        report("late")
        return 0

    leaving = asyncio.create_task(flights.do("key", work=work, listen=lambda text: heard.append(("left", text))))
    staying = asyncio.create_task(flights.do("key", work=work, listen=lambda text: heard.append(("stayed", text))))
    await settle()
    leaving.cancel()
    await settle()
    release.set()
    await staying
    assert heard == [("stayed", "late")]


async def test_closing_stops_all_work() -> None:
    """Nothing runs after close."""
    desk = Desk()
    caller, _ = await desk.call()
    await desk.flights.close()
    assert desk.cancelled == 1
    await settle()
    assert caller.done()


@given(st.lists(st.sampled_from(["join", "leave", "fail", "succeed"]), max_size=25))
@settings(deadline=None, max_examples=60)
async def test_any_history_leaves_nobody_waiting(history: list[str]) -> None:
    """Whatever happens, at most one run is under way, it is one that somebody waits for, and all callers end."""
    desk = Desk()
    callers: list[asyncio.Task[int]] = []
    for move in history:
        under_way = [end for end in desk.ends if not end.done()]
        waiting = [caller for caller in callers if not caller.done()]
        assert len(under_way) == (1 if waiting else 0)
        if move == "join":
            callers.append((await desk.call())[0])
        elif move == "leave" and waiting:
            waiting[0].cancel()
        elif move == "fail" and under_way:
            under_way[0].set_exception(ConnectionError("lost"))
        elif move == "succeed" and under_way:
            under_way[0].set_result(1)
        await settle()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await settle()
    assert all(end.done() for end in desk.ends)
