"""Counts per minute, with gaps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.autoscaling.history import DAY_MINUTES, CountHistory


def counted(*pairs: tuple[int, float], keep_days: int = 28) -> CountHistory:
    """A history of those minutes with those counts."""
    history = CountHistory.empty()
    for minute, count in pairs:
        history = history.counted(minute * 60.0, count, keep_days=keep_days)
    return history


def test_minutes_that_were_left_out_are_gaps() -> None:
    """What nobody counted is missing, not zero."""
    history = counted((10, 5), (13, 7))

    np.testing.assert_array_equal(history.counts, [5, np.nan, np.nan, 7])
    assert (history.first_minute, history.next_minute, history.known_minutes) == (10, 14, 2)


def test_a_known_minute_keeps_its_count() -> None:
    """A minute that is counted a second time, or late, stays as it was."""
    history = counted((10, 5), (11, 6))

    assert history.counted(11 * 60.0, 99) is history
    assert history.counted(3 * 60.0, 99) is history


def test_old_minutes_go() -> None:
    """Not more days are kept than asked for, and the newest are kept."""
    history = counted((0, 1), (DAY_MINUTES - 1, 2), (DAY_MINUTES + 5, 3), keep_days=1)

    assert len(history.counts) == DAY_MINUTES
    assert (history.first_minute, history.counts[-1]) == (6, 3)


def test_a_very_long_gap_starts_again() -> None:
    """After a gap that is longer than what is kept, only the new minute is known."""
    history = counted((0, 1), (40 * DAY_MINUTES, 2))

    assert (history.first_minute, list(history.counts)) == (40 * DAY_MINUTES, [2])


@given(
    st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 500)), min_size=1, max_size=30),
    st.integers(1, 3),
)
def test_every_kept_count_is_where_it_was_counted(steps: list[tuple[int, int]], keep_days: int) -> None:
    """Each count of the days that are kept is found at its minute, and everything else is a gap."""
    minute, pairs = 0, []
    for ahead, count in steps:
        minute += ahead
        pairs.append((minute, count))
    history = counted(*pairs, keep_days=keep_days)
    found = {history.first_minute + place: count for place, count in enumerate(history.counts) if not np.isnan(count)}

    assert history.next_minute == minute + 1
    assert len(history.counts) <= keep_days * DAY_MINUTES
    assert found == {at: count for at, count in pairs if at >= history.first_minute}


def test_what_was_known_before() -> None:
    """A history can be looked at as it was before a minute."""
    history = counted((10, 1), (11, 2), (12, 3))

    assert list(history.until(12).counts) == [1, 2]
    assert list(history.until(2).counts) == []
    assert list(history.latest(2)) == [2, 3]
