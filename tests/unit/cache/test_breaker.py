"""The breaker: a value whose time is told from outside."""

from hypothesis import given
from hypothesis import strategies as st

from app.cache.breaker import Breaker, BreakerRule

RULE = BreakerRule(failures=3, pause_s=1.0, longest_pause_s=8.0)


def opened(now_s: float = 0.0) -> Breaker:
    """A breaker after as many failures as it takes."""
    breaker = Breaker()
    for _ in range(RULE.failures):
        breaker = breaker.after_failure(RULE, now_s)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    """A success between them starts the count anew."""
    breaker = Breaker().after_failure(RULE, 0).after_failure(RULE, 0).after_success().after_failure(RULE, 0)

    assert breaker.may_ask(0)
    assert not opened().may_ask(0.999)


def test_one_may_try_after_the_pause() -> None:
    """While that one is under way, nobody else is let through."""
    breaker = opened()
    assert breaker.may_ask(1.0)

    assert not breaker.after_asking(RULE, 1.0).may_ask(1.0)


def test_a_success_closes_it() -> None:
    """Then everybody may ask, and it takes as many failures as ever to open again."""
    breaker = opened().after_asking(RULE, 1.0).after_success()

    assert breaker == Breaker()


def test_pauses_grow_to_a_limit() -> None:
    """Each trial that fails doubles the pause."""
    breaker, now_s, pauses = opened(), 0.0, []
    for _ in range(5):
        pauses.append((breaker.opens_again_s or 0) - now_s)
        now_s = breaker.opens_again_s or 0
        breaker = breaker.after_asking(RULE, now_s).after_failure(RULE, now_s)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0]


def test_stragglers_change_nothing() -> None:
    """Calls that were under way when it opened, and fail after that, do not lengthen its pause."""
    assert opened().after_failure(RULE, 0.5) == opened()


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 3.0)), max_size=60))
def test_a_dead_neighbour_is_asked_seldom(outcomes: list[tuple[bool, float]]) -> None:
    """From the opening on, at most one call a pause is made, whatever came before."""
    breaker, now_s = Breaker(), 0.0
    for succeeds, passed_s in outcomes:
        now_s += passed_s
        if breaker.may_ask(now_s):
            breaker = breaker.after_asking(RULE, now_s)
            breaker = breaker.after_success() if succeeds else breaker.after_failure(RULE, now_s)
            assert breaker.opens_again_s is None or breaker.opens_again_s >= now_s + RULE.pause_s
