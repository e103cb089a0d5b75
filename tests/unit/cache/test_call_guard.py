"""CallGuard: a slow neighbour costs a little, then nothing."""

import asyncio

import pytest
from fakes import FakeClock, settle

from app.cache.breaker import BreakerRule
from app.cache.call_guard import CallGuard


class Neighbour:
    """Answers, hangs or fails, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.hangs = False
        self.fails = False
        self.released = asyncio.Event()

    async def answer(self) -> str:
        """An answer, where there is one."""
        self.calls += 1
        if self.hangs:
            await self.released.wait()
        if self.fails:
            raise OSError("broken")
        return "answer"


def guard(clock: FakeClock, *, max_late: int = 4) -> CallGuard:
    """A guard without patience that opens after two failures."""
    return CallGuard("it", timeout_s=0.001, rule=BreakerRule(failures=2), max_late=max_late, clock=clock)


async def test_an_answer_in_time_is_given() -> None:
    """Nothing is changed about it."""
    assert await guard(FakeClock()).ask(Neighbour().answer, otherwise="none") == "answer"


@pytest.mark.parametrize("way", ["hangs", "fails"])
async def test_a_broken_neighbour_is_left_alone(way: str) -> None:
    """After the failures that open the breaker, callers go on at once and the neighbour hears nothing."""
    neighbour, watched = Neighbour(), guard(FakeClock())
    setattr(neighbour, way, True)
    answers = [await watched.ask(neighbour.answer, otherwise="none") for _ in range(10)]
    neighbour.released.set()
    await watched.close()

    assert answers == ["none"] * 10
    assert neighbour.calls == 2
    assert watched.is_open


async def test_it_is_asked_again_when_it_works_again() -> None:
    """The first call after the pause closes the breaker."""
    clock, neighbour = FakeClock(), Neighbour()
    watched = guard(clock)
    neighbour.fails = True
    for _ in range(2):
        await watched.ask(neighbour.answer, otherwise="none")
    neighbour.fails = False
    await clock.advance(1.0)

    assert [await watched.ask(neighbour.answer, otherwise="none") for _ in range(3)] == ["answer"] * 3


async def test_hanging_calls_do_not_pile_up() -> None:
    """While so many have not come back, nothing new is asked, however long that takes."""
    clock, neighbour = FakeClock(), Neighbour()
    watched = guard(clock, max_late=3)
    neighbour.hangs = True
    for _ in range(20):
        await watched.ask(neighbour.answer, otherwise="none")
        await clock.advance(120.0)
    late = neighbour.calls
    neighbour.released.set()
    await settle()

    assert late == 3
    assert not watched.is_open
