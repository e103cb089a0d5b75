"""DrainRate: how long a queue will take, from how fast it went."""

from app.routing.drain import DrainRate


def test_the_pace_of_the_last_minute_is_what_counts() -> None:
    """Ten jobs in five seconds means five seconds for ten more."""
    drain = DrainRate()
    drain.record(5, now_s=0.0)
    drain.record(5, now_s=2.0)
    assert drain.seconds_for(10, now_s=5.0) == 5.0


def test_a_stall_is_noticed_while_it_lasts() -> None:
    """The longer nothing is served, the longer the estimate."""
    drain = DrainRate()
    drain.record(10, now_s=0.0)
    assert drain.seconds_for(10, now_s=10.0) < drain.seconds_for(10, now_s=20.0)


def test_without_a_measurement_the_estimate_is_the_window() -> None:
    """Nothing served lately: come back after the window, never sooner than a second."""
    drain = DrainRate(window_s=30.0)
    assert drain.seconds_for(1, now_s=0.0) == 30.0
    drain.record(100, now_s=0.0)
    assert drain.seconds_for(1, now_s=0.1) == 1.0
    assert drain.seconds_for(1, now_s=31.0) == 30.0
