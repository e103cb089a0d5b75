"""Alarm: rings once, at the time it was last set to."""

from fakes import FakeClock

from app.routing.alarm import Alarm


async def test_it_rings_once_when_its_time_has_come() -> None:
    """Nothing happens before the time, and nothing more after it."""
    clock, rung = FakeClock(now_s=0.0), []
    alarm = Alarm(ring=lambda: rung.append(clock.now_s), clock=clock, sleep=clock.sleep)
    alarm.set(5.0)
    await clock.advance(4.9)
    assert rung == []
    await clock.advance(10.0)
    assert rung == [5.0]


async def test_setting_it_again_replaces_the_earlier_time() -> None:
    """Only the last time set counts, earlier or later."""
    clock, rung = FakeClock(now_s=0.0), []
    alarm = Alarm(ring=lambda: rung.append(clock.now_s), clock=clock, sleep=clock.sleep)
    for at_s in (5.0, 8.0, 3.0):
        alarm.set(at_s)
        await clock.advance(0.0)
    await clock.advance(20.0)
    assert rung == [3.0]


async def test_it_can_be_switched_off() -> None:
    """None takes the time back."""
    clock, rung = FakeClock(now_s=0.0), []
    alarm = Alarm(ring=lambda: rung.append(clock.now_s), clock=clock, sleep=clock.sleep)
    alarm.set(5.0)
    alarm.set(None)
    await clock.advance(20.0)
    assert rung == []


async def test_it_can_be_set_while_it_rings() -> None:
    """The one who is rung may ask to be rung again."""
    clock, rung = FakeClock(now_s=0.0), []

    def ring() -> None:
        """Ask once more."""
        rung.append(clock.now_s)
        alarm.set(7.0 if len(rung) == 1 else None)

    alarm = Alarm(ring=ring, clock=clock, sleep=clock.sleep)
    alarm.set(5.0)
    await clock.advance(20.0)
    assert rung == [5.0, 7.0]


async def test_a_time_in_the_past_rings_at_once() -> None:
    """An alarm that was set too late does not wait."""
    clock, rung = FakeClock(now_s=10.0), []
    alarm = Alarm(ring=lambda: rung.append(clock.now_s), clock=clock, sleep=clock.sleep)
    alarm.set(5.0)
    await clock.advance(0.0)
    assert rung == [10.0]
