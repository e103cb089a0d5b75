"""The rules by which terms become one number."""

from hypothesis import given
from hypothesis import strategies as st

from app.autoscaling.merge import Bounds, demand, merge
from app.autoscaling.terms import Term

replicas = st.floats(0, 200, allow_nan=False)
terms = st.lists(st.builds(Term, st.just("term"), replicas), max_size=4)
bounds = st.builds(
    lambda least, more, floors, ceilings: Bounds(
        minimum=least, maximum=least + more, floors=floors, ceilings=ceilings
    ),
    st.integers(0, 20), st.integers(0, 80), terms, terms,
)  # fmt: skip


def test_demand_is_the_largest_and_the_queue() -> None:
    """Of burst, trend and forecast the largest counts; the queue is added; parts of a replica are a replica."""
    asked = [Term("burst", 2.5), Term("trend", 1.0), Term("forecast", 2.0)]

    assert demand(asked, [Term("queue", 0.6)]) == 4
    assert demand([]) == 0


def test_rounding_ignores_what_floats_cannot_say() -> None:
    """Ten tenths are one replica, not two."""
    assert demand([Term("burst", sum([0.1] * 10) + 1e-12)]) == 1


def test_floors_combine_by_max_and_ceilings_by_min() -> None:
    """The highest floor and the lowest ceiling count."""
    floors = [Term("a", 3), Term("b", 5)]
    ceilings = [Term("c", 9), Term("d", 7)]
    between = Bounds(minimum=0, maximum=20, floors=floors, ceilings=ceilings)

    assert [merge(wanted, between) for wanted in (0, 6, 12)] == [5, 6, 7]


def test_a_ceiling_beats_a_floor() -> None:
    """Where a floor and a ceiling contradict each other, the ceiling counts."""
    assert merge(1, Bounds(minimum=1, maximum=20, floors=[Term("a", 8)], ceilings=[Term("b", 2)])) == 2


def test_part_of_a_replica_cannot_be_afforded() -> None:
    """Floors are rounded up and ceilings down."""
    assert merge(0, Bounds(minimum=0, maximum=9, floors=[Term("a", 2.1)])) == 3
    assert merge(9, Bounds(minimum=0, maximum=9, ceilings=[Term("budget", 2.9)])) == 2


@given(wanted=st.integers(0, 200), limits=bounds)
def test_maximum_and_ceilings_hold(wanted: int, limits: Bounds) -> None:
    """The result is never above the maximum or a ceiling, and below a floor or the minimum only because of them."""
    merged = merge(wanted, limits)
    most = min([limits.maximum, *(int(term.replicas + 1e-9) for term in limits.ceilings)])

    assert 0 <= merged <= most
    assert merged == most or merged >= max([limits.minimum, *(term.replicas - 1e-9 for term in limits.floors)])


@given(wanted=st.integers(0, 200), more=st.integers(0, 50), limits=bounds)
def test_more_demand_never_means_fewer(wanted: int, more: int, limits: Bounds) -> None:
    """The result grows with the demand."""
    assert merge(wanted + more, limits) >= merge(wanted, limits)
