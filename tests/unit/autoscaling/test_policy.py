"""The whole policy of one deployment, second by second."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_values import MIDNIGHT_S, Watched, make_profile, make_seen

from app.autoscaling.budget import Budget
from app.autoscaling.forecast.outlook import Outlook
from app.autoscaling.hold import USUAL_S, Silences
from app.autoscaling.policy import PolicyState, decide, hold_s
from app.autoscaling.schedule import Bound, Schedule
from app.autoscaling.setting import Setting

SETTING = Setting(window_s=30, trend_gain=1.0, deviations=1.5, hold_s=60)


def make_outlook(per_minute: float, **changes) -> Outlook:
    """A forecast of the same for the next quarter of an hour, made now and trusted."""
    known = Outlook(
        issued_s=MIDNIGHT_S, first_minute=int(MIDNIGHT_S // 60), upper=np.full(15, per_minute), trust=1.0, coverage=0.9
    )
    return replace(known, **changes)


def make_floor(replicas: float, **changes) -> Schedule:
    """A floor for the first hour of the day."""
    parts = {
        "name": "morning", "deployment": "*", "timezone": "UTC", "duration_s": 3600.0, "cron": "0 0 * * *",
        "floor": Bound(amount=replicas),
    }  # fmt: skip
    return Schedule(**parts | changes)


def test_replicas_follow_a_load() -> None:
    """Four requests a second, at 0.43 a replica, are served by ten replicas and some reserve within a minute."""
    watched = Watched(make_profile(setting=SETTING))
    targets = watched.run(60, per_s=4.0)

    assert targets[0] == 1
    assert 10 <= targets[-1] <= 20


def test_first_reaction_is_quick() -> None:
    """A burst that waits in the queue is answered at the next decision."""
    watched = Watched(make_profile(setting=SETTING))

    assert watched.tick(queued=30) > 1


def test_a_peak_is_held_and_then_forgotten() -> None:
    """After a load has gone, its replicas stay for the hold and go when it is over."""
    watched = Watched(make_profile(setting=SETTING))
    peak = watched.run(120, per_s=4.0)[-1]
    after = watched.run(900)

    assert min(after[:30]) >= peak
    assert after[-1] == 1


def test_a_hold_is_learned_where_none_is_set() -> None:
    """A setting without a hold of its own uses what the silences of this load teach."""
    assert hold_s(Setting(hold_s=None), Silences(0.0)) == USUAL_S
    assert hold_s(Setting(hold_s=90), Silences(0.0)) == 90


def test_the_last_replica_outlives_its_work() -> None:
    """Where the minimum is zero, the last replica goes when nothing has come for the configured time."""
    watched = Watched(make_profile(min_replicas=0, idle_to_zero_s=300.0, setting=SETTING), target=0)
    watched.run(20, per_s=0.5)
    targets = watched.run(400)

    assert targets[290] == 1
    assert targets[305] == 0


def test_zero_is_left_for_the_first_request() -> None:
    """From zero, a request that waits or has just come orders a replica at once."""
    watched = Watched(make_profile(min_replicas=0, setting=SETTING), target=0)
    watched.run(10)

    assert watched.target == 0
    assert watched.tick(queued=1) == 1


def test_long_silences_let_the_last_replica_go_early() -> None:
    """Where gaps have been longer than a cold start is dear, the last replica goes before the configured time."""
    watched = Watched(make_profile(min_replicas=0, idle_to_zero_s=900.0, setting=SETTING), target=0)
    for _ in range(6):
        watched.run(5, per_s=1.0)
        watched.run(3600)
    watched.run(5, per_s=1.0)
    targets = watched.run(900)

    assert targets[200] == 0


def test_a_forecast_keeps_the_last_replica() -> None:
    """A load that is foreseen for the time of a cold start keeps the last replica, however long nothing has come."""
    profile = make_profile(min_replicas=0, idle_to_zero_s=300.0, setting=SETTING, forecast_max_age_s=900.0)
    watched = Watched(profile)
    kept = [watched.tick(outlook=make_outlook(20.0)) for _ in range(400)][-1]
    faint = [watched.tick(outlook=make_outlook(1.0)) for _ in range(200)][-1]

    assert (kept, faint) == (1, 0)


def test_a_floor_is_ordered_a_cold_start_early() -> None:
    """Replicas for a floor are ordered so long before its time that even a slow start is done by then."""
    profile = make_profile(schedules=(make_floor(6),), setting=SETTING)
    watched = Watched(profile, start_s=MIDNIGHT_S - 100)
    targets = watched.run(160)

    assert targets.index(6) == pytest.approx(100 - profile.early_s, abs=1)
    assert watched.last.line().count("schedule morning floor 6") == 1


def test_a_node_is_ordered_even_earlier() -> None:
    """Where a machine has to start first, its time is added."""
    profile = make_profile(schedules=(make_floor(6),), setting=SETTING, node_start_s=240.0)
    targets = Watched(profile, start_s=MIDNIGHT_S - 400).run(400)

    assert targets.index(6) == pytest.approx(400 - 75 - 240, abs=1)


def test_a_floor_ends_with_its_window() -> None:
    """When the window is over, the load alone counts."""
    watched = Watched(make_profile(schedules=(make_floor(6),), setting=SETTING), start_s=MIDNIGHT_S + 3590, target=6)
    targets = watched.run(20)

    assert (targets[5], targets[-1]) == (6, 1)


def test_a_ceiling_is_not_early() -> None:
    """A ceiling counts from its time on, and beats the load."""
    cap = make_floor(0, name="cap", floor=None, ceiling=2)
    watched = Watched(make_profile(schedules=(cap,), setting=SETTING), start_s=MIDNIGHT_S - 60)
    before = watched.run(55, per_s=4.0)[-1]
    after = watched.run(20, per_s=4.0)[-1]

    assert before > 2
    assert after == 2


def test_a_floor_can_follow_the_load() -> None:
    """A floor of twice the load doubles what the load asks for."""
    twice = make_floor(2, floor=Bound(amount=2, unit="times the load"))
    usual = Watched(make_profile(setting=SETTING)).run(120, per_s=2.0)[-1]
    doubled = Watched(make_profile(setting=SETTING, schedules=(twice,))).run(120, per_s=2.0)[-1]

    assert doubled == pytest.approx(2 * usual, abs=1)


def test_a_trusted_forecast_raises() -> None:
    """A forecast of more than is seen is a floor; half the trust is half of it."""
    profile = make_profile(setting=SETTING)
    full = Watched(profile).tick(outlook=make_outlook(255.0))
    half = Watched(profile).tick(outlook=make_outlook(255.0, trust=0.5))

    assert (full, half) == (10, 5)


def test_a_forecast_never_lowers() -> None:
    """A forecast of nothing changes nothing about what is seen."""
    profile = make_profile(setting=SETTING)
    alone, foreseen = Watched(profile), Watched(profile)
    outlook = make_outlook(0.0)

    assert [alone.tick(per_s=3.0) for _ in range(60)] == [foreseen.tick(per_s=3.0, outlook=outlook) for _ in range(60)]


def test_observed_forecasts_are_told_and_not_used() -> None:
    """Where forecasts are only observed, the decision says what one would have asked for."""
    watched = Watched(make_profile(setting=SETTING, acts_on_forecast=False))

    assert watched.tick(outlook=make_outlook(255.0)) == 1
    assert "forecast 0.0 (10.0 observed, trust 1.00, age 1 s)" in watched.last.line()


def test_a_budget_caps_and_says_so() -> None:
    """What the rest of the day's budget does not pay for is not ordered, whatever the load."""
    budget = Budget(per_day=240.0, replica_per_hour=2.0)
    watched = Watched(make_profile(setting=SETTING, budget=budget))

    assert watched.run(120, per_s=8.0)[-1] == 5
    assert "budget cap" in watched.last.line()


def test_stale_numbers_hold() -> None:
    """Numbers that are too old neither raise nor lower the target, and the decision says how old they are."""
    watched = Watched(make_profile(setting=SETTING))
    peak = watched.run(60, per_s=4.0)[-1]
    targets = watched.run(600, measured_at_s=watched.now_s, queued=500)

    assert set(targets[31:]) == {targets[31]}
    assert targets[31] >= peak
    assert "numbers are 600 s old, held" in watched.last.line()


def test_a_floor_moves_what_stale_numbers_hold() -> None:
    """A schedule needs no numbers: it raises the target while they are stale."""
    watched = Watched(make_profile(setting=SETTING, schedules=(make_floor(6),)), start_s=MIDNIGHT_S - 100)
    targets = watched.run(160, measured_at_s=MIDNIGHT_S - 200)

    assert (targets[0], targets[-1]) == (1, 6)


@given(
    queued=st.integers(0, 500),
    ready=st.integers(0, 48),
    target=st.integers(0, 48),
    arrived=st.integers(0, 10_000),
    minimum=st.integers(0, 5),
)
def test_bounds_hold_whatever_is_seen(queued: int, ready: int, target: int, arrived: int, minimum: int) -> None:
    """The target is between the minimum and the maximum for any numbers."""
    profile = make_profile(min_replicas=minimum, max_replicas=48, setting=SETTING)
    state = PolicyState.starting(make_seen(now_s=MIDNIGHT_S), profile)
    seen = make_seen(now_s=MIDNIGHT_S + 5, queued=queued, ready=ready, target=target, arrived=arrived)
    _, decision = decide(state, seen, profile)

    assert minimum <= decision.replicas <= 48
    assert not decision.failed


@given(st.lists(st.floats(0, 8), min_size=1, max_size=20))
def test_equal_numbers_make_equal_decisions(rates: list[float]) -> None:
    """The policy is a function: the same load gives the same targets again."""

    def targets() -> list[int]:
        watched = Watched(make_profile())
        return [watched.run(5, per_s=rate)[-1] for rate in rates]

    assert targets() == targets()


def test_time_zones_are_the_schedules_own() -> None:
    """The window of another country opens at that country's time."""
    tokyo = make_floor(6, timezone="Asia/Tokyo", cron="0 9 * * *")
    watched = Watched(make_profile(setting=SETTING, schedules=(tokyo,)), start_s=MIDNIGHT_S)

    assert datetime.fromtimestamp(MIDNIGHT_S, UTC).hour == 0
    assert watched.tick() == 6
