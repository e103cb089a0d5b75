"""Windows on the two days of the year on which clocks are changed, in Berlin and in New York."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.autoscaling.schedule import Bound, Schedule, last_start_s

HOUR_S = 3600
zones = st.sampled_from(["Europe/Berlin", "America/New_York"])
years = st.integers(2024, 2036)
minutes = st.integers(0, 59)


def changes_s(zone: str, year: int) -> tuple[int, int]:
    """The epoch seconds of the two changes of a year: forward in spring, back in autumn."""
    where, begin_s = ZoneInfo(zone), int(datetime(year, 1, 1, tzinfo=ZoneInfo("UTC")).timestamp())
    offsets = [datetime.fromtimestamp(begin_s + hour * HOUR_S, where).utcoffset() for hour in range(366 * 24)]
    spring, autumn = (hour for hour in range(1, len(offsets)) if offsets[hour] != offsets[hour - 1])
    return begin_s + spring * HOUR_S, begin_s + autumn * HOUR_S


def local(epoch_s: float, zone: str) -> datetime:
    """The wall clock of a place."""
    return datetime.fromtimestamp(epoch_s, ZoneInfo(zone))


def daily(zone: str, hour: int, minute: int, *, duration_s: float = 1800.0) -> Schedule:
    """A window that begins every day at a local time."""
    return Schedule(
        name="daily", deployment="*", timezone=zone, duration_s=duration_s, cron=f"{minute} {hour} * * *",
        floor=Bound(amount=3),
    )  # fmt: skip


def starts_s(schedule: Schedule, begin_s: float, hours: int) -> set[float]:
    """The starts within so many hours."""
    found = {last_start_s(schedule, by_s=begin_s + minute * 60) for minute in range(hours * 60)}
    return {start_s for start_s in found if start_s is not None and start_s >= begin_s}


@settings(max_examples=15)
@given(
    zone=zones, year=years, is_spring=st.booleans(), hour=st.integers(0, 23), minute=minutes, length=st.integers(1, 22)
)
def test_a_window_is_open_as_long_as_its_length_says(
    zone: str, year: int, is_spring: bool, hour: int, minute: int, length: int
) -> None:
    """Counted minute by minute over the change, a window is open for its length of elapsed time, once."""
    change_s = changes_s(zone, year)[0 if is_spring else 1]
    schedule = daily(zone, hour, minute, duration_s=length * HOUR_S)
    midnight_s = change_s - local(change_s - 1, zone).hour * HOUR_S - HOUR_S
    (begin_s,) = starts_s(schedule, midnight_s, 25 if not is_spring else 23)
    open_minutes = [step for step in range(-60, (length + 1) * 60) if schedule.is_open(begin_s + step * 60)]
    before = [step for step in open_minutes if step < 0]

    assert [step for step in open_minutes if step >= 0] == list(range(length * 60))
    assert before == [] or length == 22


@settings(max_examples=25)
@given(zone=zones, year=years, minute=minutes)
def test_a_doubled_hour_opens_once(zone: str, year: int, minute: int) -> None:
    """A time that happens twice in autumn begins the window at the first of the two."""
    change_s = changes_s(zone, year)[1]
    doubled = local(change_s, zone).hour
    schedule = daily(zone, doubled, minute)

    assert starts_s(schedule, change_s - 3 * HOUR_S, 6) == {change_s - HOUR_S + minute * 60}


@settings(max_examples=25)
@given(zone=zones, year=years, minute=minutes)
def test_a_missing_hour_opens_with_the_next_minute(zone: str, year: int, minute: int) -> None:
    """A time that spring skips begins the window with the first minute that there is after it."""
    change_s = changes_s(zone, year)[0]
    skipped = local(change_s, zone).hour - 1
    schedule = daily(zone, skipped, minute)

    assert starts_s(schedule, change_s - 3 * HOUR_S, 6) == {change_s}


@settings(max_examples=25)
@given(zone=zones, year=years, is_spring=st.booleans(), hour=st.integers(4, 23), minute=minutes)
def test_other_times_keep_the_wall_clock(zone: str, year: int, is_spring: bool, hour: int, minute: int) -> None:
    """Before and after a change, a window begins at the same time by the clock on the wall."""
    change_s = changes_s(zone, year)[0 if is_spring else 1]
    found = sorted(starts_s(daily(zone, hour, minute), change_s - 30 * HOUR_S, 60))

    assert len(found) in (2, 3)
    assert {(local(each, zone).hour, local(each, zone).minute) for each in found} == {(hour, minute)}
    assert len({local(each, zone).date() for each in found}) == len(found)


@settings(max_examples=10)
@given(zone=zones, year=years, is_spring=st.booleans())
def test_every_hour_is_every_hour(zone: str, year: int, is_spring: bool) -> None:
    """A window that begins every hour begins once in each hour that passes, the doubled one included."""
    change_s = changes_s(zone, year)[0 if is_spring else 1]
    hourly = Schedule(
        name="hourly", deployment="*", timezone=zone, duration_s=600.0, cron="0 * * * *", floor=Bound(amount=1)
    )

    assert starts_s(hourly, change_s - 5 * HOUR_S, 10) == {change_s + hour * HOUR_S for hour in range(-5, 5)}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_a_single_window_in_a_doubled_hour_is_the_first(zone: str) -> None:
    """A local time that happens twice and is named once is the first of the two."""
    change_s = changes_s(zone, 2026)[1]
    wall = local(change_s, zone).replace(tzinfo=None) + timedelta(minutes=30)
    once = Schedule(name="once", deployment="*", timezone=zone, duration_s=600.0, at=wall, floor=Bound(amount=1))

    assert last_start_s(once, by_s=change_s + HOUR_S) == change_s - HOUR_S / 2
