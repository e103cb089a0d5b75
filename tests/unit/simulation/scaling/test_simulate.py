"""Whole simulations: repeatable, bounded, and no plan beats hindsight by much."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scaling_values import daily_history, make_profile

from app.autoscaling.history import CountHistory
from app.autoscaling.setting import Setting
from app.simulation.scaling.arrivals import from_rates
from app.simulation.scaling.controller import Alone, static
from app.simulation.scaling.oracle import Hindsight
from app.simulation.scaling.planned import Planned, profile_of
from app.simulation.scaling.scenario import NodeSpec, Scenario
from app.simulation.scaling.simulate import Load, simulate, simulate_one
from app.simulation.scaling.together import Together

HOUR_S = 3600.0
SETTING = Setting(window_s=30, trend_gain=1.0, deviations=1.5, hold_s=60)


def make_load(per_s: float, *, hours: float = 1.0, seed: int = 1, **scenario) -> Load:
    """A steady load."""
    rates = np.full(round(hours * 3600), per_s)
    return Load(scenario=replace(Scenario(), **scenario), arrivals_s=from_rates(rates, seed=seed))


def make_rule(scenario: Scenario = Scenario(), **profile) -> Planned:  # noqa: B008
    """Our policy without a history."""
    return Planned(replace(profile_of(scenario), **{"setting": SETTING} | profile), CountHistory.empty(), begins_s=0.0)


def test_equal_arguments_make_equal_outcomes() -> None:
    """A simulation is repeatable to the last replica."""
    load = make_load(2.0)
    one, other = (simulate_one(load, make_rule(), duration_s=HOUR_S, seed=3) for _ in range(2))

    assert (one.late, one.paid_s, one.cold_starts) == (other.late, other.paid_s, other.cold_starts)
    np.testing.assert_array_equal(one.target, other.target)


def test_a_fixed_number_is_paid_for_all_the_time() -> None:
    """Eight replicas cost eight hours an hour, when they do not have to be started."""
    outcome = simulate_one(make_load(1.0, min_replicas=8), static(8), duration_s=HOUR_S, seed=1)

    assert outcome.gpu_hours == pytest.approx(8.0)
    assert outcome.attainment == 1.0


def test_the_scenario_bounds_the_controller() -> None:
    """A controller that wants more than the maximum or less than the minimum gets those."""
    load = make_load(0.1, min_replicas=2, max_replicas=5)
    many, few = (simulate_one(load, static(n), duration_s=600.0, seed=1) for n in (99, 0))

    assert (many.target.max(), few.target.min()) == (5, 2)


def test_deployments_run_side_by_side() -> None:
    """Each deployment has a load, a rule and an outcome of its own."""
    loads = {"sdxl": make_load(1.0), "flux": make_load(0.2, seed=2)}
    outcomes = simulate(loads, Alone({"sdxl": static(4), "flux": static(2)}), duration_s=600.0, seed=1)

    assert {name: outcome.target[-1] for name, outcome in outcomes.items()} == {"sdxl": 4, "flux": 2}


def test_shared_gpus_are_not_exceeded() -> None:
    """Deployments that share GPUs never have more ordered than there are, and both keep some."""
    loads = {"sdxl": make_load(3.0), "flux": make_load(3.0, seed=2)}
    rules = {name: make_rule(name=name) for name in loads}
    outcomes = simulate(loads, Together(rules, gpus=10), duration_s=1200.0, seed=1)
    ordered = sum(outcome.target for outcome in outcomes.values())

    assert ordered.max() == 10
    assert min(outcome.target[-1] for outcome in outcomes.values()) >= 4


def test_our_policy_serves_a_steady_load() -> None:
    """A steady load is served in time but for its first minutes, at less than half again what was needed."""
    load = make_load(3.0)
    outcome = simulate_one(load, make_rule(), duration_s=HOUR_S, seed=1)
    best = Hindsight(load=load, duration_s=HOUR_S, seed=1).cheapest_plan()

    assert outcome.attainment > 0.95
    assert outcome.paid_s < 1.5 * best.paid_s


def test_hindsight_serves_what_it_promises() -> None:
    """The plan made in hindsight serves its share in time, and costs less than the smallest fixed number that does."""
    rates = np.concatenate([np.full(1800, 0.3), np.full(900, 4.0), np.full(2700, 0.3)])
    load = Load(scenario=Scenario(), arrivals_s=from_rates(rates, seed=1))
    hindsight = Hindsight(load=load, duration_s=5400.0, seed=1)
    plan, fixed = hindsight.cheapest_plan(), hindsight.cheapest_static()

    assert plan.attainment >= 0.99
    assert fixed.attainment >= 0.99
    assert plan.paid_s < 0.7 * fixed.paid_s


def test_hindsight_is_never_dearer_than_a_fixed_number() -> None:
    """Where replicas are wanted at once and all the time, the plan costs no more than a fixed number."""
    rates = np.concatenate([np.full(300, 3.0), np.full(900, 2.5)])
    load = Load(scenario=Scenario(), arrivals_s=from_rates(rates, seed=1))
    hindsight = Hindsight(load=load, duration_s=1200.0, seed=1, attainment=0.9)

    assert hindsight.cheapest_plan().paid_s <= hindsight.cheapest_static().paid_s


def test_the_smallest_fixed_number_is_the_smallest() -> None:
    """One replica fewer does not serve enough in time."""
    load = make_load(2.0)
    fixed = Hindsight(load=load, duration_s=HOUR_S, seed=1).cheapest_static()
    fewer = simulate_one(load, static(int(fixed.target[-1]) - 1), duration_s=HOUR_S, seed=1)

    assert fewer.attainment < 0.99


def test_slow_machines_are_waited_for() -> None:
    """Where machines take minutes, the same orders serve fewer in time."""
    quick, slow = make_load(3.0), make_load(3.0, nodes=NodeSpec(replicas=1, start_s=300.0))
    outcomes = [simulate_one(load, make_rule(), duration_s=HOUR_S, seed=1) for load in (quick, slow)]

    assert outcomes[1].attainment < outcomes[0].attainment


def test_a_history_is_learned_from() -> None:
    """A policy that knows the days before starts with a forecast that is used; what it decides is kept in words."""
    history = daily_history(3.0)
    rule = Planned(profile_of(Scenario()), history, begins_s=history.next_minute * 60.0)
    load = make_load(100 / 60, hours=0.5)
    simulate_one(load, rule, duration_s=1800.0, seed=1)

    assert max(rule.forecasts) > 0
    assert len(rule.forecasts) == len(rule.floors) == len(rule.seconds) == 1800
    assert all(decision.changed and "forecast" in decision.line() for decision in rule.decisions)


@settings(max_examples=10)
@given(per_s=st.floats(0.05, 6.0), seed=st.integers(0, 9))
def test_orders_stay_within_bounds(per_s: float, seed: int) -> None:
    """Under any steady load, what our policy orders is between the minimum and the maximum."""
    load = make_load(per_s, hours=0.2, seed=seed, max_replicas=9)
    outcome = simulate_one(load, make_rule(load.scenario), duration_s=700.0, seed=seed)

    assert outcome.target.min() >= 1
    assert outcome.target.max() <= 9


def test_a_profile_is_the_scenario_as_known_beforehand() -> None:
    """A simulated deployment's profile has its speed, bounds and start times."""
    scenario = Scenario(min_replicas=2, max_replicas=7, nodes=NodeSpec(replicas=1, start_s=90.0))
    profile = profile_of(scenario, "flux")

    assert (profile.name, profile.min_replicas, profile.max_replicas) == ("flux", 2, 7)
    assert profile.early_s == 75 + 90
    assert profile.curve == make_profile().curve
