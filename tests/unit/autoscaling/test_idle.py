"""When the last replica goes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.autoscaling.idle import idle_to_zero_s

lengths = st.lists(st.floats(30, 1e5), min_size=5, max_size=64)


def cost_s(silences_s: list[float], limit_s: float, penalty_s: float) -> float:
    """What keeping an idle replica for `limit_s` would have cost in those silences."""
    silences = np.array(silences_s)
    return float((np.minimum(silences, limit_s) + penalty_s * (silences > limit_s)).sum())


def test_short_silences_are_waited_through() -> None:
    """A replica is kept through gaps that are shorter than a cold start is dear."""
    assert idle_to_zero_s([300.0] * 10, penalty_s=600, longest_s=900) == pytest.approx(330)


def test_long_silences_are_not() -> None:
    """A replica goes at once when the next request is further than a cold start is dear."""
    assert idle_to_zero_s([4000.0] * 10, penalty_s=600, longest_s=900) == 0.0


def test_the_break_even_is_between_two_kinds_of_silences() -> None:
    """Of short and long gaps only the short ones are waited through."""
    limit_s = idle_to_zero_s([120.0] * 8 + [9000.0] * 4, penalty_s=600, longest_s=900)

    assert limit_s == pytest.approx(132)


def test_few_silences_teach_nothing() -> None:
    """While few gaps are known, the configured time counts."""
    assert idle_to_zero_s([4000.0] * 4, penalty_s=600, longest_s=900) == 900


@given(lengths, st.floats(0, 5000), st.floats(1, 5000))
def test_configured_time_is_the_longest(silences_s: list[float], penalty_s: float, longest_s: float) -> None:
    """Nothing that is learned keeps an idle replica longer than configured."""
    assert 0.0 <= idle_to_zero_s(silences_s, penalty_s=penalty_s, longest_s=longest_s) <= longest_s


@given(lengths, st.floats(1, 5000), st.floats(0, 1e5))
def test_no_other_time_would_have_cost_much_less(silences_s: list[float], penalty_s: float, other_s: float) -> None:
    """Within its margin for gaps that are a little longer, the time is the cheapest for the gaps that were."""
    limit_s = idle_to_zero_s(silences_s, penalty_s=penalty_s, longest_s=1e9)
    margin_s = 0.1 * sum(length_s for length_s in silences_s if length_s <= other_s)

    assert cost_s(silences_s, limit_s, penalty_s) <= cost_s(silences_s, other_s, penalty_s) + margin_s + 1e-6
