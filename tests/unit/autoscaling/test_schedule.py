"""Windows of time with a floor or a ceiling."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.autoscaling.schedule import Bound, Schedule, last_start_s, open_windows
from app.errors import ConfigurationError

OFFICE = {"name": "office", "deployment": "sdxl", "timezone": "Europe/Berlin", "duration_s": 11 * 3600.0}


def at(text: str) -> float:
    """The epoch second of an ISO time."""
    return datetime.fromisoformat(text).timestamp()


def make_schedule(**changes) -> Schedule:
    """Office hours of Berlin, from half past seven on working days, with six replicas at least."""
    return Schedule(**{**OFFICE, "cron": "30 7 * * MON-FRI", "floor": Bound(amount=6)} | changes)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-24T07:29:59+01:00", False),
        ("2026-11-24T07:30:00+01:00", True),
        ("2026-11-24T18:29:59+01:00", True),
        ("2026-11-24T18:30:00+01:00", False),
        ("2026-11-28T12:00:00+01:00", False),
    ],
    ids=["before", "begins", "last second", "over", "a Saturday"],
)
def test_a_window_is_open_from_its_begin_for_its_length(moment: str, is_open: bool) -> None:
    """A window holds from the second at which it begins until its length has passed, on the days that it names."""
    assert make_schedule().is_open(at(moment)) == is_open


def test_a_window_can_open_early() -> None:
    """Early means before its time and not longer after it."""
    schedule = make_schedule()

    assert schedule.is_open(at("2026-11-24T07:28:45+01:00"), early_s=75)
    assert not schedule.is_open(at("2026-11-24T07:28:44+01:00"), early_s=75)
    assert not schedule.is_open(at("2026-11-24T18:30:00+01:00"), early_s=75)


def test_a_window_may_last_over_midnight() -> None:
    """A night that began yesterday is still open."""
    night = make_schedule(cron="0 23 * * *", duration_s=7 * 3600.0)

    assert night.is_open(at("2026-11-24T05:59:59+01:00"))
    assert not night.is_open(at("2026-11-24T06:00:00+01:00"))


def test_a_window_that_begins_again_while_open_goes_on() -> None:
    """Windows that follow on each other leave no gap, whichever of them is looked at early."""
    hourly = make_schedule(cron="0 * * * *", duration_s=3600.0)
    begin_s = at("2026-11-24T00:00:00+01:00")

    assert all(hourly.is_open(begin_s + 30 * step, early_s=75) for step in range(2 * 24 * 60))


def test_a_single_window() -> None:
    """A window with a local time opens once, in its time zone."""
    launch = make_schedule(cron=None, at=datetime(2026, 12, 3, 9), timezone="America/New_York", duration_s=3 * 3600.0)

    assert last_start_s(launch, by_s=at("2026-12-03T14:00:00+00:00")) == at("2026-12-03T09:00:00-05:00")
    assert last_start_s(launch, by_s=at("2026-12-03T13:59:59+00:00")) is None
    assert not launch.is_open(at("2026-12-03T17:00:00+00:00"))
    assert not launch.is_open(at("2027-12-03T15:00:00+00:00"))


def test_nothing_has_begun_before_the_first() -> None:
    """A rare window is found however long ago it began."""
    leap = make_schedule(cron="0 0 29 2 *", timezone="UTC", duration_s=86_400.0)

    assert leap.is_open(at("2024-02-29T23:59:59+00:00"))
    assert last_start_s(leap, by_s=at("2027-06-01T00:00:00+00:00")) == at("2024-02-29T00:00:00+00:00")


def test_schedules_of_a_deployment() -> None:
    """A star concerns every deployment; floors open early and ceilings do not."""
    floor = make_schedule(deployment="*")
    ceiling = make_schedule(name="cap", floor=None, ceiling=2)
    other = make_schedule(name="other", deployment="flux")
    before_s = at("2026-11-24T07:29:30+01:00")

    assert open_windows([floor, ceiling, other], "sdxl", now_s=before_s, early_s=75) == (floor,)
    assert open_windows([floor, ceiling, other], "sdxl", now_s=before_s + 30, early_s=75) == (floor, ceiling)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cron": None}, "office: exactly one of cron and at"),
        ({"at": datetime(2026, 1, 1)}, "office: exactly one of cron and at"),
        ({"cron": "61 * * * *"}, "office: Bad minute"),
        ({"cron": "0 0 31 2 *"}, "office: Bad day-of-month"),
        ({"timezone": "Europe/Bonn"}, "office: No time zone found with key Europe/Bonn"),
        (
            {"cron": None, "at": datetime(2026, 3, 29, 2, 30)},
            "office: .* is skipped by the clock change in Europe/Berlin",
        ),
    ],
    ids=["neither", "both", "no cron", "never", "no zone", "skipped"],
)
def test_what_cannot_begin_is_refused(changes: dict, complaint: str) -> None:
    """A schedule that cannot be read, or never begins, is refused by its name and with the reason."""
    with pytest.raises(ConfigurationError, match=complaint):
        make_schedule(**changes)


def test_bounds_in_multiples_of_the_load() -> None:
    """A floor is a number of replicas, or a multiple of what the load asks for."""
    assert Bound(amount=6).replicas(2.5) == 6
    assert Bound(amount=2, unit="times the load").replicas(2.5) == 5.0


@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    minute=st.integers(0, 59),
    every=st.sampled_from(["*", "*/2", "7", "22"]),
)
def test_the_last_start_is_the_last(moment: datetime, minute: int, every: str) -> None:
    """From any moment, the last start is a time of the expression, and none lies between it and the moment."""
    schedule = make_schedule(cron=f"{minute} {every} * * *", timezone="UTC")
    now = moment.replace(tzinfo=UTC)
    expected = next(
        start
        for back in range(0, 60 * 25)
        if matches(start := now.replace(second=0, microsecond=0) - timedelta(minutes=back), minute, every)
    )

    assert last_start_s(schedule, by_s=now.timestamp()) == expected.timestamp()


def matches(moment: datetime, minute: int, every: str) -> bool:
    """Whether a minute is one of the expression, read by hand."""
    is_hour = every == "*" or (moment.hour % 2 == 0 if every == "*/2" else moment.hour == int(every))
    return moment.minute == minute and is_hour
