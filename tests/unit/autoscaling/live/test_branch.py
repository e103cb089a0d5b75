"""How a later stage's arrivals follow from those of the stage before it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.autoscaling.live.branch import Branch


def test_it_starts_with_the_head() -> None:
    """Before any picture is finished, all that arrive at the head are expected behind it."""
    assert Branch().flowed(outside=0, heads=10, finished=0, went_on=0).arrived == 10


def test_the_ratio_is_measured() -> None:
    """Of pictures of which a quarter goes on, about a quarter is expected, with one deviation to spare."""
    branch = Branch()
    for count in range(4, 4001, 4):
        branch = branch.flowed(outside=0, heads=count, finished=count, went_on=count // 4)

    assert branch.ratio == pytest.approx(0.25, abs=0.01)
    assert 0.25 < branch.upper_ratio < 0.3


def test_what_comes_from_outside_is_added() -> None:
    """Pictures that callers bring themselves come on top of the models'."""
    assert Branch().flowed(outside=3, heads=2, finished=0, went_on=0).arrived == 5


def test_counters_may_start_again() -> None:
    """A router that has restarted counts from zero, which adds what it has counted since, and no more."""
    branch = Branch().flowed(outside=0, heads=100, finished=100, went_on=100)

    assert branch.flowed(outside=0, heads=2, finished=1, went_on=1).arrived == branch.arrived + 2


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 3, st.floats(0, 1)), max_size=30))
def test_the_counter_only_grows(steps: list[tuple[int, int, int, float]]) -> None:
    """Whatever the counters do, arrivals never fall and the ratio stays a share."""
    branch, heads, finished, went_on, outside = Branch(), 0, 0, 0, 0
    for more_outside, more_heads, more_finished, share in steps:
        outside, heads, finished = outside + more_outside, heads + more_heads, finished + more_finished
        went_on += round(share * more_finished)
        after = branch.flowed(outside=outside, heads=heads, finished=finished, went_on=went_on)
        assert after.arrived >= branch.arrived
        assert 0 <= after.ratio <= after.upper_ratio <= 1
        branch = after
