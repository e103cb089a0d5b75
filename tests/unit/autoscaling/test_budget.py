"""What a day may cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_values import MIDNIGHT_S, make_profile, make_seen

from app.autoscaling.bounds import bounds_now
from app.autoscaling.budget import DAY_S, Budget, Spending, budget_term

BUDGET = Budget(per_day=240.0, replica_per_hour=2.0)


def test_a_fresh_day_pays_for_its_mean() -> None:
    """At midnight a budget of 240 at 2 an hour pays for five replicas until the next."""
    term = budget_term(BUDGET, Spending(), MIDNIGHT_S)

    assert term.replicas == pytest.approx(5.0)
    assert term.why == "0 of 240 EUR spent"


def test_what_is_spent_is_gone() -> None:
    """At noon, after ten replicas for twelve hours, nothing is left; after two, eight can be had."""
    noon_s = MIDNIGHT_S + DAY_S / 2
    spent = Spending(int(MIDNIGHT_S // DAY_S), 10 * DAY_S / 2, noon_s)
    saved = Spending(int(MIDNIGHT_S // DAY_S), 2 * DAY_S / 2, noon_s)

    assert budget_term(BUDGET, spent, noon_s).replicas == 0.0
    assert budget_term(BUDGET, saved, noon_s).replicas == pytest.approx(8.0)


def test_a_new_day_starts_at_nothing() -> None:
    """Spending of yesterday does not count today."""
    spending = Spending().went_on(MIDNIGHT_S - 10, 4).went_on(MIDNIGHT_S - 5, 4).went_on(MIDNIGHT_S + 1, 4)

    assert spending.replica_s == 0.0


@given(st.lists(st.tuples(st.floats(0.1, 600), st.integers(0, 40)), max_size=40))
def test_spending_adds_up(steps: list[tuple[float, int]]) -> None:
    """Within a day, spending is the sum of replicas times the seconds that they were ordered for."""
    spending, now_s = Spending().went_on(MIDNIGHT_S, 0), MIDNIGHT_S
    for elapsed_s, replicas in steps:
        now_s += elapsed_s
        spending = spending.went_on(now_s, replicas)

    assert spending.replica_s == pytest.approx(sum(elapsed_s * replicas for elapsed_s, replicas in steps))


def test_a_clock_that_goes_back_costs_nothing() -> None:
    """An earlier time adds nothing."""
    spending = Spending().went_on(MIDNIGHT_S + 100, 3)

    assert spending.went_on(MIDNIGHT_S + 50, 3).replica_s == 0.0


def test_a_cap_is_a_ceiling() -> None:
    """A budget that caps bounds the replicas."""
    bounds = bounds_now(Spending(), make_seen().now_s, make_profile(budget=BUDGET), load=9.0)

    assert [term.name for term in bounds.ceilings] == ["budget"]


def test_a_warning_is_only_words() -> None:
    """A budget that warns bounds nothing and says so only when it would."""
    profile = make_profile(budget=Budget(per_day=240.0, replica_per_hour=2.0, on_exceed="warn"))
    quiet = bounds_now(Spending(), MIDNIGHT_S, profile, load=4.0)
    loud = bounds_now(Spending(), MIDNIGHT_S, profile, load=9.0)

    assert (quiet.ceilings, quiet.notes) == ((), ())
    assert (loud.ceilings, loud.notes) == ((), ("budget would cap at 5.0: 0 of 240 EUR spent",))
