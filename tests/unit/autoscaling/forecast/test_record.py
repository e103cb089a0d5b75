"""A forecaster at work: calibration, trust, and when it is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_values import daily_history

from app.autoscaling.forecast.contract import Fitted
from app.autoscaling.forecast.ensemble import MedianEnsemble
from app.autoscaling.forecast.persistence import Persistence
from app.autoscaling.forecast.record import (
    LEAD_MINUTES,
    Errors,
    ForecastRecord,
    ForecastSettings,
    coverage,
    pinball,
    replayed,
    trust,
)
from app.autoscaling.history import DAY_MINUTES, CountHistory

SETTINGS = ForecastSettings(forecaster=MedianEnsemble(), quantile=0.8)


class Scaled:
    """A forecaster that expects a multiple of the recent mean."""

    name = "scaled"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def fit(self, history: CountHistory) -> Fitted:
        """Itself."""
        return self

    def curve(self, recent: CountHistory, minutes: int) -> np.ndarray:
        """The multiple."""
        return self.factor * Persistence().curve(recent, minutes)


class Noise(Scaled):
    """A forecaster whose expectation jumps about."""

    def curve(self, recent: CountHistory, minutes: int) -> np.ndarray:
        """More or less than the recent mean, in turns."""
        return Persistence().curve(recent, minutes) * (2.0 if recent.next_minute % 2 else 0.1)


def test_the_upper_curve_covers_what_it_says() -> None:
    """On equal days, about as large a share of minutes stays below the upper curve as its quantile says."""
    record = replayed(daily_history(4.0), SETTINGS)

    assert coverage(record.errors) == pytest.approx(0.8, abs=0.05)
    assert record.outlook.refused == ""


def test_a_bias_is_calibrated_away() -> None:
    """A forecaster that is always half too low ends with an upper curve at the height of one that is not."""
    history = CountHistory(0, np.random.default_rng(0).poisson(100.0, 3 * DAY_MINUTES).astype(float))
    upper = [replayed(history, replace(SETTINGS, forecaster=Scaled(factor))).outlook.upper[0] for factor in (1.0, 0.5)]

    assert upper[1] == pytest.approx(upper[0], rel=0.1)


def test_a_good_forecast_is_trusted() -> None:
    """A forecast that errs no more than persistence has full trust."""
    assert replayed(daily_history(4.0), SETTINGS).outlook.trust > 0.9


def test_a_bad_forecast_is_not() -> None:
    """A forecast whose calibrated loss is twice persistence's has none."""
    assert replayed(daily_history(4.0), replace(SETTINGS, forecaster=Noise(1.0))).outlook.trust == 0.0


def test_trust_between() -> None:
    """Half as much loss again is half the trust."""
    naive = np.array([-1.0, 0.0, 1.0, 2.0])

    assert trust(Errors(ours=1.5 * naive, persistence=naive), 0.7) == pytest.approx(0.5)
    assert trust(Errors(), 0.7) == 1.0


@given(st.lists(st.floats(-100, 100), max_size=50), st.lists(st.floats(-100, 100), max_size=50), st.floats(0.05, 0.95))
def test_trust_is_a_share(ours: list[float], naive: list[float], quantile: float) -> None:
    """Trust is between nothing and everything, and a loss is never negative."""
    errors = Errors(np.array(ours), np.array(naive))

    assert 0.0 <= trust(errors, quantile) <= 1.0
    assert pinball(errors.ours, quantile) >= 0.0


def test_a_short_history_is_refused() -> None:
    """Below the history that is asked for, the reason says how much there is."""
    outlook = replayed(daily_history(1.0), SETTINGS).outlook

    assert outlook.refused == "history of 1440 min is shorter than 2880"


def test_gaps_are_no_history() -> None:
    """Minutes that nobody counted do not make a history long enough."""
    history = daily_history(3.0)
    counts = history.counts.copy()
    counts[: 2 * DAY_MINUTES] = np.nan

    assert "history of 1440 min" in replayed(CountHistory(0, counts), SETTINGS).outlook.refused


def test_a_forecast_without_errors_is_refused() -> None:
    """Before an hour of its forecasts has come true, a forecaster is not calibrated."""
    assert replayed(daily_history(3.0), SETTINGS, minutes=30).outlook.refused == "not calibrated yet"


def test_low_coverage_is_refused() -> None:
    """When far more minutes exceed the upper curve than it says, the forecast is not used."""
    errors = Errors(np.zeros(100), np.zeros(100), np.array([1.0] * 60 + [0.0] * 40))
    record = replace(replayed(daily_history(3.0), SETTINGS), errors=errors, issued=())
    later = record.counted(float(record.history.next_minute * 60), 100.0, SETTINGS)

    assert later.outlook.refused == "coverage 0.60 is far below 0.8"


def test_a_gap_teaches_nothing() -> None:
    """A minute that nobody counted is no error of the forecast for it."""
    record = replayed(daily_history(3.0), SETTINGS)
    known, next_s = len(record.errors.ours), record.history.next_minute * 60.0
    later = record.counted(next_s + 10 * 60, 100.0, SETTINGS)

    assert np.isnan(later.history.counts[-11:-1]).all()
    assert len(later.errors.ours) == known
    assert [due for due, _ in later.issued] == [later.history.next_minute + LEAD_MINUTES]


def test_errors_are_those_of_the_lead() -> None:
    """A minute is compared with what was expected of it when a replica could still be ordered for it."""
    record = ForecastRecord(CountHistory.empty())
    settings = replace(SETTINGS, forecaster=Persistence(minutes=1))
    for minute, count in enumerate([100.0, 100.0, 100.0, 144.0]):
        record = record.counted(minute * 60.0, count, settings)

    assert record.errors.ours[-1] == pytest.approx((144.0 - 100.0) / 10)


def test_only_a_day_of_errors_is_kept() -> None:
    """Older errors are forgotten, so that a changed load is learned within a day."""
    errors = Errors()
    for minute in range(DAY_MINUTES + 60):
        errors = errors.seen(float(minute), (0.0, 0.0, 0.0))

    assert len(errors.ours) == len(errors.persistence) == len(errors.covered) == DAY_MINUTES
    assert errors.ours[-1] == DAY_MINUTES + 59
