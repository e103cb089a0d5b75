"""Nothing that goes wrong inside the policy gets out of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaling_values import MIDNIGHT_S, Watched, make_profile, make_seen

from app.autoscaling.budget import Budget
from app.autoscaling.demand import POLICIES, Policies, Situation
from app.autoscaling.policy import PolicyState, decide
from app.autoscaling.schedule import Bound, Schedule
from app.autoscaling.setting import Setting
from app.autoscaling.terms import Term

SETTING = Setting(window_s=30, trend_gain=1.0, deviations=1.5, hold_s=60)
NAMES = ("burst", "trend", "forecast", "queue")
ERRORS = (ZeroDivisionError("x"), ValueError("x"), KeyError("x"), RuntimeError("x"), MemoryError("x"), OSError("x"))


def broken(names: set[str], error: Exception) -> Policies:
    """The policies with some that raise."""

    def fails(_: Situation) -> Term:
        raise error

    largest_of = {name: fails if name in names else policy for name, policy in POLICIES.largest_of.items()}
    return Policies(largest_of=largest_of, queue=fails if "queue" in names else POLICIES.queue)


@given(
    names=st.sets(st.sampled_from(NAMES), min_size=1),
    error=st.sampled_from(ERRORS),
    seconds=st.integers(1, 150),
    target=st.integers(1, 48),
)
def test_a_broken_term_leaves_the_last_target(names: set[str], error: Exception, seconds: int, target: int) -> None:
    """Whichever terms raise whatever, a target is not lowered while they do, and each is told with its reason."""
    watched = Watched(make_profile(setting=SETTING), target=target)
    policies = broken(names, error)
    for _ in range(seconds):
        watched.tick(policies=policies)

    assert watched.target == target
    assert {term.name for term in watched.last.failed} == names
    assert all(f"failed: {type(error).__name__}" in term.why for term in watched.last.failed)
    assert watched.last.line().endswith(f"not lowered → {target}")


def test_what_is_left_may_raise() -> None:
    """While one term is broken, the others still answer a load that grows."""
    watched = Watched(make_profile(setting=SETTING))
    policies = broken({"burst"}, RuntimeError("no"))
    for _ in range(60):
        watched.tick(per_s=4.0, policies=policies)

    assert watched.target >= 10


def test_a_term_that_is_mended_counts_again() -> None:
    """When nothing fails any more, what is not needed goes."""
    watched = Watched(make_profile(setting=SETTING), target=20)
    for _ in range(120):
        watched.tick(policies=broken({"trend"}, RuntimeError("no")))
    held = watched.target
    watched.run(120)

    assert (held, watched.target) == (20, 1)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_term_that_is_no_number_has_failed(number: float) -> None:
    """A term that is not a finite number is as good as one that raises."""
    policies = replace(POLICIES, queue=lambda _: Term("queue", number))
    watched = Watched(make_profile(setting=SETTING), target=5)

    assert watched.tick(policies=policies) == 5
    assert [term.name for term in watched.last.failed] == ["queue"]


class BrokenSchedule(Schedule):
    """A schedule whose time zone data has gone."""

    __slots__ = ()

    def is_open(self, now_s: float, *, early_s: float = 0.0) -> bool:
        """Fails."""
        raise OSError("no tzdata")


def test_a_broken_schedule_leaves_the_last_target() -> None:
    """A schedule that cannot be evaluated neither stops the policy nor lets it lower what it may have raised."""
    schedule = BrokenSchedule(
        name="office", deployment="*", timezone="UTC", duration_s=60.0, cron="0 0 * * *", floor=Bound(amount=5)
    )
    watched = Watched(make_profile(setting=SETTING, schedules=(schedule,)), target=5)
    watched.run(200)

    assert watched.target == 5
    assert "schedule 0.0 (failed: OSError: no tzdata)" in watched.last.line()


def test_a_broken_budget_leaves_the_last_target() -> None:
    """A budget that cannot be computed bounds nothing and lowers nothing."""
    budget = Budget(per_day=100.0, replica_per_hour=0.0)
    watched = Watched(make_profile(setting=SETTING, budget=budget), target=5)
    watched.run(200)

    assert watched.target == 5
    assert [term.name for term in watched.last.failed] == ["budget"]


def test_broken_learning_leaves_the_last_target() -> None:
    """When nothing can be learned of the arrivals, the target is not lowered."""
    watched = Watched(make_profile(), target=5)
    watched.state = replace(watched.state, tuner=None)
    watched.run(10)

    assert watched.target == 5
    assert watched.last.stale.startswith("failed: AttributeError")


def test_a_broken_state_leaves_everything() -> None:
    """When nothing at all works, the state and the target stay and the decision says why."""
    profile = make_profile(setting=SETTING)
    state = replace(PolicyState.starting(make_seen(), profile), peaks=None, spending=None)
    after, decision = decide(state, make_seen(now_s=MIDNIGHT_S + 9, target=7), profile)

    assert after is state
    assert decision.replicas == 7
    assert "failed: AttributeError" in decision.line()


def test_a_lower_maximum_counts_even_then() -> None:
    """A failure keeps no more replicas than the maximum."""
    watched = Watched(make_profile(setting=SETTING, max_replicas=4), target=9)

    assert watched.tick(policies=broken({"burst"}, RuntimeError("no"))) == 4
