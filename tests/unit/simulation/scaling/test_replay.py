"""Recorded loads, replayed."""

import numpy as np
import pytest
from scaling_values import daily_history

from app.autoscaling.history import DAY_MINUTES, CountHistory
from app.config.autoscaling import ScalingSettings
from app.errors import ConfigurationError
from app.simulation.scaling.controller import static
from app.simulation.scaling.replay import (
    AS_SET,
    FIXED,
    HINDSIGHT,
    OBSERVED,
    Replay,
    compared,
    of_day,
    profile_in,
    scenario_of,
    without_schedules,
)
from app.simulation.scaling.summary import Summary

SETTINGS = ScalingSettings.model_validate(
    {
        "deployments": {"sdxl": {"min": 2, "max": 9, "node_start_s": 30}},
        "schedules": [{"name": "night", "cron": "0 0 * * *", "for": "1h", "floor": 5}],
    }
)


def make_replay(minutes: int = 20) -> Replay:
    """A few minutes of a request a second, at midnight."""
    return Replay(
        name="sdxl", history=CountHistory.empty(), arrivals_s=np.arange(0.0, minutes * 60.0), begins_s=0.0,
        duration_s=minutes * 60.0,
    )  # fmt: skip


def test_a_day_has_its_counts() -> None:
    """A day of a history becomes arrivals that number its counts, after the days before it."""
    history = daily_history(3.0)
    replay = of_day("sdxl", history, 2)
    found, _ = np.histogram(replay.arrivals_s, bins=np.arange(DAY_MINUTES + 1) * 60.0)

    np.testing.assert_array_equal(found, history.counts[2 * DAY_MINUTES :])
    assert (replay.history.next_minute, replay.begins_s) == (2 * DAY_MINUTES, 2 * 86_400.0)


def test_gaps_of_a_day_are_silent() -> None:
    """Minutes that nobody counted have no requests, at the begin of the history as well."""
    counts = np.full(DAY_MINUTES - 100, 3.0)
    counts[:50] = np.nan
    replay = of_day("sdxl", CountHistory(100, counts), 0)

    assert replay.duration_s == 86_400.0
    assert replay.arrivals_s.min() >= 150 * 60.0


@pytest.mark.parametrize("day", [0, 9], ids=["before", "after"])
def test_an_unknown_day_is_refused(day: int) -> None:
    """A day of which nothing is known is named."""
    history = CountHistory(5 * DAY_MINUTES, np.ones(DAY_MINUTES))
    with pytest.raises(ConfigurationError, match=rf"nothing is known of sdxl on 1970-01-{day + 1:02}"):
        of_day("sdxl", history, day)


def test_the_deployment_is_as_set() -> None:
    """What is simulated has the bounds, speed and start times of the settings; what is not set has the defaults."""
    scenario = scenario_of(profile_in(SETTINGS, "sdxl"))

    assert (scenario.min_replicas, scenario.max_replicas, scenario.nodes.start_s) == (2, 9, 30.0)
    assert scenario_of(profile_in(SETTINGS, "flux")).max_replicas == 24


def test_schedules_can_be_left_out() -> None:
    """The same load costs less without a floor that it does not need."""
    replay = make_replay()
    (with_floor, rule), (without, _) = replay.policy(SETTINGS), replay.policy(without_schedules(SETTINGS))

    assert max(rule.floors) == 5.0
    assert without.paid_s < with_floor.paid_s


def test_everything_is_compared() -> None:
    """The policy as set, with forecasts only observed, rivals, and plans in hindsight serve the same requests."""
    outcomes = compared(make_replay(), SETTINGS, {"always four": lambda _: static(4)})

    assert list(outcomes) == [AS_SET, OBSERVED, "always four", HINDSIGHT, FIXED]
    assert {outcome.requests for outcome in outcomes.values()} == {1200}
    assert outcomes[HINDSIGHT].paid_s <= outcomes[FIXED].paid_s


def test_a_summary_has_the_numbers() -> None:
    """An outcome's summary says how many came, how many were in time, and what it took."""
    outcome = make_replay().ruled(SETTINGS, static(6))
    summary = Summary.of(outcome)

    assert (summary.requests, summary.most_replicas) == (1200, 6)
    assert summary.gpu_hours == pytest.approx(outcome.paid_s / 3600)
