"""What the policy makes of a forecast."""

import numpy as np
import pytest

from app.autoscaling.forecast.outlook import Outlook, forecast_term
from app.autoscaling.terms import Term

NOW_S = 6000.0


def make_outlook(**changes) -> Outlook:
    """Counts of 60, 120, 180 and so on for the minutes from now on."""
    parts = {
        "issued_s": NOW_S, "first_minute": 100, "upper": np.arange(1.0, 16.0) * 60, "trust": 0.5, "coverage": 0.8,
    }  # fmt: skip
    return Outlook(**parts | changes)


def make_term(outlook: Outlook | None, *, now_s: float = NOW_S, ahead_s: float = 75.0) -> Term:
    """The term of a deployment of which a replica serves two requests a second."""
    return forecast_term(outlook, now_s=now_s, ahead_s=ahead_s, throughput_per_s=2.0, max_age_s=180.0)


def test_the_peak_of_the_time_that_a_new_replica_sees() -> None:
    """The highest rate from a cold start ahead until two minutes later counts, times the trust."""
    term = make_term(make_outlook())

    assert term.replicas == pytest.approx(0.5 * 4.0 / 2.0)
    assert term.why == "trust 0.50, age 0 s"


def test_an_old_forecast_is_dropped() -> None:
    """A forecast that is older than allowed asks for nothing and says how old it is."""
    assert make_term(make_outlook(), now_s=NOW_S + 181) == Term("forecast", 0.0, "age 181 s exceeds 180 s")


def test_a_refused_forecast_is_dropped() -> None:
    """A forecast that its maker does not stand by asks for nothing and says why."""
    assert make_term(make_outlook(refused="not calibrated yet")) == Term("forecast", 0.0, "not calibrated yet")


def test_no_forecast_yet() -> None:
    """Without a forecast the term says so."""
    assert make_term(None) == Term("forecast", 0.0, "none yet")


def test_beyond_the_curve_nothing_is_said() -> None:
    """Where the curve has ended, or has gaps, there is no peak."""
    assert make_term(make_outlook(), ahead_s=3600.0).replicas == 0.0
    assert make_term(make_outlook(upper=np.full(15, np.nan))).replicas == 0.0
