"""What every forecaster promises, and what is particular to each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_values import daily_history

from app.autoscaling.forecast.contract import Forecaster
from app.autoscaling.forecast.ensemble import FittedEnsemble, MedianEnsemble
from app.autoscaling.forecast.harmonic import Harmonic
from app.autoscaling.forecast.persistence import Persistence
from app.autoscaling.forecast.seasonal import SeasonalNaive
from app.autoscaling.forecast.smoothing import ExponentialSmoothing
from app.autoscaling.history import DAY_MINUTES, CountHistory

FORECASTERS = (Persistence(), SeasonalNaive(), Harmonic(), ExponentialSmoothing(), MedianEnsemble())
SEASONAL = FORECASTERS[1:]
every = pytest.mark.parametrize("forecaster", FORECASTERS, ids=lambda each: each.name)
seasonal = pytest.mark.parametrize("forecaster", SEASONAL, ids=lambda each: each.name)


def expected(first_minute: int, minutes: int) -> np.ndarray:
    """The rates from which the histories of the tests are drawn."""
    return 100 + 60 * np.sin(2 * np.pi * (first_minute + np.arange(minutes)) / DAY_MINUTES)


def with_gaps(history: CountHistory, places: slice) -> CountHistory:
    """The history without some of its minutes."""
    counts = history.counts.copy()
    counts[places] = np.nan
    return CountHistory(history.first_minute, counts)


@every
def test_nothing_known(forecaster: Forecaster) -> None:
    """From an empty history nothing is said, and nothing raised."""
    curve = forecaster.fit(CountHistory.empty()).curve(CountHistory.empty(), 15)

    assert curve.shape == (15,)
    assert np.isnan(curve).all()


@every
def test_no_negative_counts(forecaster: Forecaster) -> None:
    """A silent history is expected to stay silent, and never to become less than that."""
    silent = CountHistory(0, np.zeros(3 * DAY_MINUTES))
    curve = forecaster.fit(silent).curve(silent, 30)

    np.testing.assert_allclose(curve, 0.0, atol=1e-9)


@every
@given(
    counts=st.lists(st.one_of(st.just(float("nan")), st.integers(0, 400).map(float)), max_size=60),
    repeats=st.integers(1, 120),
)
def test_any_history_is_borne(forecaster: Forecaster, counts: list[float], repeats: int) -> None:
    """However short and full of gaps a history is, its curve has the length asked for and is nowhere negative."""
    history = CountHistory(7, np.array(counts * repeats, dtype=float))
    curve = forecaster.fit(history).curve(history, 15)

    assert curve.shape == (15,)
    assert (curve[~np.isnan(curve)] >= 0).all()


@seasonal
def test_a_daily_wave_is_foreseen(forecaster: Forecaster) -> None:
    """After eight equal days, the next quarter of an hour is known within the noise of a minute, at any time of day."""
    history = daily_history(8.4)
    curve = forecaster.fit(history).curve(history, 15)

    np.testing.assert_allclose(curve, expected(history.next_minute, 15), rtol=0.15)


@seasonal
def test_gaps_do_not_pull_down(forecaster: Forecaster) -> None:
    """An outage in the history is no load of zero: what follows is foreseen as if it had not been."""
    history = with_gaps(daily_history(8.4), slice(3 * DAY_MINUTES, 3 * DAY_MINUTES + 600))
    curve = forecaster.fit(history).curve(history, 15)

    np.testing.assert_allclose(curve, expected(history.next_minute, 15), rtol=0.2)


def test_persistence_repeats_the_last_minutes() -> None:
    """Persistence expects the mean of the last three minutes, gaps aside."""
    history = CountHistory(0, np.array([9.0, 4.0, np.nan, 8.0]))

    assert list(Persistence().fit(history).curve(history, 2)) == [6.0, 6.0]


def test_seasonal_is_last_week() -> None:
    """With more than a week known, the season is the same time of last week; with less, of yesterday."""
    week = CountHistory(0, np.repeat(np.arange(9.0), DAY_MINUTES))
    short = week.until(3 * DAY_MINUTES)
    forecaster = SeasonalNaive(blur_minutes=1)

    assert list(forecaster.fit(week).curve(week, 2)) == [2.0, 2.0]
    assert list(forecaster.fit(short).curve(short, 2)) == [2.0, 2.0]


def test_seasonal_outlives_its_fit() -> None:
    """A season that was fitted an hour ago is still read at the right time."""
    history = CountHistory(0, np.arange(2.0 * DAY_MINUTES))
    fitted = SeasonalNaive(blur_minutes=1).fit(history.until(2 * DAY_MINUTES - 60))

    assert fitted.curve(history, 1)[0] == DAY_MINUTES


def test_harmonic_says_nothing_before_a_day() -> None:
    """Waves of a day cannot be told from less than one."""
    history = daily_history(0.9)

    assert np.isnan(Harmonic().fit(history).curve(history, 3)).all()


def test_harmonic_follows_newer_days() -> None:
    """After a change of level, the newer days count more than the older ones."""
    counts = np.concatenate([np.full(10 * DAY_MINUTES, 100.0), np.full(4 * DAY_MINUTES, 200.0)])
    forecast = {days: Harmonic(half_life_days=days) for days in (1.0, 100.0)}
    history = CountHistory(0, counts)
    quick, slow = (each.fit(history).curve(history, 1)[0] for each in forecast.values())

    assert slow < quick
    assert quick == pytest.approx(200, rel=0.1)


def test_smoothing_follows_the_level() -> None:
    """A day that is twice as busy as usual is expected to stay so."""
    history = daily_history(5.5)
    doubled = CountHistory(0, np.concatenate([history.counts[:-60], 2 * history.counts[-60:]]))
    curve = ExponentialSmoothing().fit(history).curve(doubled, 5)

    np.testing.assert_allclose(curve, 2 * expected(history.next_minute, 5), rtol=0.2)


class Constant:
    """A fitted model that says the same of everything."""

    def __init__(self, count: float) -> None:
        self.count = count

    def curve(self, recent: CountHistory, minutes: int) -> np.ndarray:
        """The constant."""
        return np.full(minutes, self.count)


def test_the_median_forgives_an_outlier() -> None:
    """A member that is far off, or says nothing, changes little."""
    members = (Constant(10.0), Constant(12.0), Constant(9000.0), Constant(float("nan")))

    assert list(FittedEnsemble(members).curve(CountHistory.empty(), 2)) == [12.0, 12.0]
