"""What is measured of arrivals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_values import steady_arrivals

from app.autoscaling.measure import BIN_S, SPAN_S, STEP_S, ArrivalWindow


def test_rates_of_windows() -> None:
    """The rate over a window is what arrived in it, over its length."""
    window = steady_arrivals(10).advanced(605, 1250)

    assert window.rate_per_s(10) == pytest.approx(60 / 10)
    assert window.rate_per_s(600) == pytest.approx((1250 - 10) / 600)


def test_nothing_is_known_at_the_start() -> None:
    """A window that has seen one moment knows no rate and no clumps."""
    window = ArrivalWindow.starting(100.0, 42)

    assert (window.rate_per_s(30), window.added, window.burstiness().mean_per_s) == (0.0, 0.0, 0.0)


def test_first_step_is_not_trusted() -> None:
    """A single step counts as half of what two would have brought, so that one request is no burst."""
    window = ArrivalWindow.starting(0.0, 0).advanced(STEP_S, 10)

    assert window.rate_per_s(30) == pytest.approx(10 / (2 * STEP_S))


def test_a_restarted_counter_goes_on() -> None:
    """A counter below its last value has started again at zero: what it says was added."""
    window = steady_arrivals(10).advanced(605, 7)

    assert window.added == 7


def test_within_a_step_nothing_changes() -> None:
    """Numbers that come before the next step are looked at with it."""
    window = steady_arrivals(10)

    assert window.advanced(603, 5000) is window


@given(gap=st.integers(1, 40), added=st.integers(0, 1000))
def test_unseen_steps_share_what_came(gap: int, added: int) -> None:
    """What arrives while nobody looks is spread over the steps that were missed."""
    before = steady_arrivals(10)
    window = before.advanced(600 + gap * STEP_S, before.counter + added)

    assert window.totals[-1] - before.totals[-1] == pytest.approx(added)
    assert window.added == pytest.approx(added / gap)


@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=300))
def test_ten_minutes_are_remembered(counts: list[int]) -> None:
    """The window holds the arrivals of the last ten minutes exactly, and none before them."""
    window, total = ArrivalWindow.starting(0.0, 0), 0
    for step, count in enumerate(counts, start=1):
        total += count
        window = window.advanced(step * STEP_S, total)

    assert window.totals[-1] - window.totals[0] == pytest.approx(sum(counts[-SPAN_S // STEP_S :]))


def test_steady_load_has_no_clumps() -> None:
    """The dispersion of an even stream is one, the least there is."""
    assert steady_arrivals(10).burstiness().dispersion == 1.0


def test_clumps_are_variance_over_mean() -> None:
    """The dispersion is the variance over the mean of counts per half minute."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.choice([1, 40], size=20))
    window, total = ArrivalWindow.starting(0.0, 0), 0
    for half_minute, count in enumerate(counts, start=1):
        total += int(count)
        window = window.advanced(half_minute * BIN_S, total)
    measured = window.burstiness()

    assert measured.dispersion == pytest.approx(counts.var() / counts.mean())
    assert measured.mean_per_s == pytest.approx(counts.mean() / BIN_S)
