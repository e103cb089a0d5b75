"""How starts of replicas are timed from outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.autoscaling.live.starts import Starts


def seen(*moments: tuple[float, int, int]) -> Starts:
    """What is known after these moments: a time, how many run, how many are ordered."""
    starts = Starts()
    for now_s, running, target in moments:
        starts = starts.seen(now_s, running=running, target=target)
    return starts


def test_a_start_takes_from_order_to_service() -> None:
    """Each replica is timed from its own order, the oldest first."""
    starts = seen((0, 1, 1), (10, 1, 2), (15, 1, 4), (22, 2, 4), (30, 4, 4))

    assert starts.taken_s == (12, 15, 15)
    assert starts.usual_s == 15


def test_an_order_that_is_taken_back_is_not_timed() -> None:
    """When fewer are wanted before they have come, the newest orders are the ones that are gone."""
    starts = seen((0, 1, 1), (10, 1, 2), (20, 1, 3), (25, 1, 2), (30, 2, 2))

    assert starts.taken_s == (20,)
    assert starts.ordered_s == ()


def test_a_replacement_is_not_timed() -> None:
    """A replica that comes for one that died was not ordered by anybody."""
    assert seen((0, 2, 2), (10, 1, 2), (20, 2, 2)).taken_s == ()


def test_few_starts_say_nothing() -> None:
    """Two starts are not enough to plan by."""
    starts = seen((0, 1, 1), (10, 1, 3), (22, 3, 3))

    assert (starts.usual_s, starts.slowest_s) == (None, None)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_times_are_never_negative(steps: list[tuple[float, int, int]]) -> None:
    """Whatever is reported, no start took less than nothing and no order is forgotten beyond the target."""
    now_s, moments = 0.0, []
    for after_s, running, target in steps:
        now_s += after_s
        moments.append((now_s, running, target))
    starts = seen(*moments)

    assert all(taken_s >= 0 for taken_s in starts.taken_s)
    assert len(starts.ordered_s) <= 9 or pytest.fail("more orders than can be under way")
