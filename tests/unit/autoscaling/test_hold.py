"""How long a peak is remembered."""

from hypothesis import given
from hypothesis import strategies as st

from app.autoscaling.hold import LONGEST_S, SHORTEST_S, USUAL_S, RecentPeaks, Silences


def after(lengths_s: list[float]) -> Silences:
    """Silences of these lengths, one after another."""
    silences, now_s = Silences(0.0), 0.0
    for length_s in lengths_s:
        now_s += length_s
        silences = silences.heard(now_s)
    return silences


def test_few_silences_teach_nothing() -> None:
    """Before five silences are known, a peak is held for the usual time."""
    assert after([600.0] * 4).hold_s == USUAL_S


def test_hold_is_learned_from_gaps() -> None:
    """Bursts every ten minutes are held for a little longer than ten minutes."""
    assert after([600.0] * 5).hold_s == 660


def test_short_pauses_are_no_silences() -> None:
    """Pauses below half a minute are part of a load that goes on."""
    assert after([29.0] * 100).lengths_s == ()


@given(st.lists(st.floats(0, 1e6), max_size=200))
def test_hold_has_bounds(lengths_s: list[float]) -> None:
    """Whatever the gaps, a hold is between five and thirty minutes."""
    assert SHORTEST_S <= after(lengths_s).hold_s <= LONGEST_S


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40)), min_size=1, max_size=60), st.integers(0, LONGEST_S))
def test_peaks_are_the_maximum_of_a_window(steps: list[tuple[int, int]], window_s: int) -> None:
    """The highest peak since a time is the maximum of all that was wanted since then."""
    peaks, now_s, seen = RecentPeaks(), 0.0, []
    for elapsed_s, replicas in steps:
        now_s += elapsed_s
        seen.append((now_s, replicas))
        peaks = peaks.wanted(now_s, replicas)

    assert peaks.highest(now_s - window_s) == max(n for at_s, n in seen if at_s >= now_s - window_s)


def test_nothing_wanted_is_no_peak() -> None:
    """Without a wish there is no peak."""
    assert RecentPeaks().highest(0.0) == 0
