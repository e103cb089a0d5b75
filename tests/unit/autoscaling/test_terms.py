"""Every term by itself: what it asks for, and how it explains that."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_values import CURVE, steady_arrivals

from app.autoscaling.load import load_term
from app.autoscaling.queue_drain import queue_term
from app.autoscaling.setting import CANDIDATES, DEFAULT, Setting
from app.autoscaling.terms import Term, attempted, guarded
from app.autoscaling.trend import trend_term

THROUGHPUT_PER_S = 4 / 9.4


def test_burst_of_steady_load() -> None:
    """A steady load needs its mean and one and a half deviations of a Poisson stream over half minutes."""
    term = load_term(steady_arrivals(5), Setting(deviations=1.5), throughput_per_s=THROUGHPUT_PER_S)

    assert term.replicas == pytest.approx((1.0 + 1.5 * math.sqrt(1.0 / 30)) / THROUGHPUT_PER_S)
    assert term.why == "m=1.0/s, D=1.0, z=1.5"


def test_burst_without_deviations_plays_no_part() -> None:
    """A setting without deviations asks for nothing and explains nothing."""
    assert load_term(steady_arrivals(5), Setting(deviations=None), throughput_per_s=1.0) == Term("burst", 0.0)


@given(per_step=st.integers(0, 100), setting=st.sampled_from(CANDIDATES))
def test_burst_grows_with_its_deviations(per_step: int, setting: Setting) -> None:
    """More deviations never ask for fewer replicas, and none of them for fewer than the mean needs."""
    arrivals = steady_arrivals(per_step)
    mean = load_term(arrivals, Setting(deviations=0.0), throughput_per_s=1.0).replicas
    asked = load_term(arrivals, setting, throughput_per_s=1.0).replicas

    assert asked >= (mean if setting.deviations is not None else 0.0)


def test_trend_of_steady_load() -> None:
    """A load that does not rise asks for its rate, whatever the gain."""
    term = trend_term(steady_arrivals(5), DEFAULT, throughput_per_s=THROUGHPUT_PER_S)

    assert term.replicas == pytest.approx(1.0 / THROUGHPUT_PER_S)
    assert term.why == "1.0/s in 40 s, 1.0/s in 200 s"


def test_trend_draws_a_rise_out() -> None:
    """A load that has risen asks for its rate and for as much more as it rose above the longer window's."""
    window = steady_arrivals(0)
    for step in range(1, 9):
        window = window.advanced(600 + step * 5, step * 10)
    rate_per_s, before_per_s = 80 / 40, 80 / 200
    term = trend_term(window, Setting(window_s=40, trend_gain=1.0), throughput_per_s=1.0)

    assert term.replicas == pytest.approx(2 * rate_per_s - before_per_s)


def test_trend_does_not_draw_a_fall_out() -> None:
    """A load that falls asks for its rate, not for less."""
    window = steady_arrivals(10)
    for step in range(1, 9):
        window = window.advanced(600 + step * 5, 1200)

    assert trend_term(window, Setting(window_s=40, trend_gain=1.0), throughput_per_s=1.0).replicas == 0.0


def test_queue_waits_for_batches() -> None:
    """Two waiting requests for every ready replica are no backlog."""
    term = queue_term(queued=6, ready=3, throughput_per_s=THROUGHPUT_PER_S, drain_s=10.0)

    assert term == Term("queue", 0.0, "6 waiting, drain 10 s")


def test_queue_drains_in_time() -> None:
    """What waits beyond that is divided by what one replica drains while it is still in time."""
    term = queue_term(queued=26, ready=3, throughput_per_s=0.5, drain_s=10.0)

    assert term.replicas == pytest.approx(20 / 5)


def test_batches_fit_the_objective() -> None:
    """A batch is as large as lets a request wait for one and ride in the next."""
    sizes = [CURVE.feasible_batch(objective_s) for objective_s in (3.0, 8.0, 12.0, 16.0, 18.8, 60.0)]

    assert sizes == [1, 1, 2, 3, 4, 4]
    assert CURVE.throughput_per_s(20.0) == pytest.approx(THROUGHPUT_PER_S)
    assert CURVE.drain_s(20.0) == pytest.approx(20 - 9.4)


def test_drain_is_never_shorter_than_one_request() -> None:
    """An objective below the time of a request still drains one request at a time."""
    assert CURVE.drain_s(1.0) == 4.0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_fails(value: float) -> None:
    """A term that asks for no finite number of replicas has failed and asks for none."""
    term = guarded("burst", lambda: Term("burst", value))

    assert (term.replicas, term.failed) == (0.0, True)
    assert term.why.startswith("failed: ValueError: asks for ")


def test_what_raises_fails_with_its_reason() -> None:
    """An error becomes the reason of a failed term."""

    def broken() -> Term:
        raise ZeroDivisionError("no replicas")

    assert guarded("trend", broken) == Term("trend", 0.0, "failed: ZeroDivisionError: no replicas", failed=True)


def test_an_attempt_that_works_has_no_failure() -> None:
    """What does not raise is returned as it is."""
    assert attempted("learning", lambda: 3, otherwise=0) == (3, None)
