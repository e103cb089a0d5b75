"""Pace: how long a picture will take, from what others took."""

from fakes import make_spec
from hypothesis import given
from hypothesis import strategies as st

from app.routing.pace import RECENT, Pace


def test_while_nothing_was_drawn_work_counts_for_nothing() -> None:
    """A guess would order jobs by nothing but itself."""
    assert Pace().seconds_for(make_spec(steps=8)) == 0.0


def test_twice_the_steps_or_the_pixels_take_twice_as_long() -> None:
    """The estimate is proportional to both."""
    pace = Pace()
    pace.record(make_spec(steps=4, native_width=64, native_height=64), 2.0)
    assert pace.seconds_for(make_spec(steps=8, native_width=64, native_height=64)) == 4.0
    assert pace.seconds_for(make_spec(steps=4, native_width=128, native_height=64)) == 4.0


@given(st.floats(0.001, 100.0), st.floats(0.001, 100.0))
def test_what_was_slow_long_ago_is_forgotten(before_s: float, now_s: float) -> None:
    """Only the pictures drawn last count."""
    pace, spec = Pace(), make_spec(steps=2)
    pace.record(spec, before_s)
    for _ in range(RECENT):
        pace.record(spec, now_s)
    assert abs(pace.seconds_for(spec) - now_s) < 1e-6 * now_s
