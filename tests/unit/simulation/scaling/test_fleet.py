"""The replicas of one simulated deployment."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.autoscaling.curve import BatchCurve
from app.simulation.scaling.fleet import Fleet
from app.simulation.scaling.nodes import NodePool
from app.simulation.scaling.scenario import NodeSpec, Scenario

EXACT = Scenario(service_spread=0.0, cold_start_spread=0.0)


def make_fleet(*arrivals_s: float, scenario: Scenario = EXACT) -> Fleet:
    """A fleet that receives requests at those times."""
    return Fleet(scenario, arrivals_s, seed=1)


def test_a_request_takes_its_time() -> None:
    """A request that comes to an idle replica is done after the time of one."""
    fleet = make_fleet(1.0)
    fleet.advance(4.9)
    before = fleet.observe(4.9).finished
    fleet.advance(5.1)

    assert (before, fleet.observe(5.1).finished) == (0, 1)


def test_what_waits_rides_together() -> None:
    """Requests that wait when a replica is free are served as one batch, up to its size."""
    fleet = make_fleet(0.0, 1.0, 1.1, 1.2, 1.3, 1.4)
    fleet.advance(5.0)

    assert (fleet.observe(5.0).running, fleet.observe(5.0).queued) == (4, 1)


def test_late_is_late() -> None:
    """A request that is answered after the objective is counted late."""
    slow = Scenario(service_spread=0.0, curve=BatchCurve(single_s=12.0, max_batch=1))
    fleet = make_fleet(0.0, 0.1, scenario=slow)
    fleet.advance(30.0)

    assert (fleet.observe(30.0).finished, fleet.observe(30.0).late) == (2, 1)


def test_patience_ends() -> None:
    """A request that has waited too long is given up and counts as late."""
    nobody = Scenario(min_replicas=0, patience_s=30.0)
    fleet = make_fleet(0.0, scenario=nobody)
    fleet.advance(31.0)
    seen = fleet.observe(31.0)

    assert (seen.queued, seen.finished, seen.late) == (0, 1, 1)


def test_a_replica_starts_cold() -> None:
    """An ordered replica works after its cold start and is paid from its order."""
    fleet = make_fleet()
    fleet.scale(2, 0.0)
    fleet.advance(59.0)
    starting = fleet.observe(59.0)
    fleet.advance(61.0)

    assert (starting.starting, starting.ready) == (1, 1)
    assert fleet.ready == 2
    assert fleet.paid_s == pytest.approx(2 * 61)
    assert fleet.cold_starts == 1


def test_the_youngest_cold_start_is_cancelled_first() -> None:
    """Fewer are reached by cancelling what has not begun to work."""
    fleet = make_fleet()
    fleet.scale(4, 0.0)
    fleet.scale(2, 10.0)
    fleet.advance(100.0)

    assert (fleet.ready, fleet.paid_s) == (2, pytest.approx(4 * 10 + 2 * 90))


def test_a_busy_replica_drains() -> None:
    """A replica that is given up in the middle of its work finishes it, is paid until then, and takes no more."""
    fleet = make_fleet(1.0, 2.0)
    fleet.advance(3.0)
    fleet.scale(0, 3.0)
    fleet.advance(20.0)
    seen = fleet.observe(20.0)

    assert (seen.finished, seen.queued, seen.ready) == (1, 1, 0)
    assert fleet.paid_s == pytest.approx(5.0)


def test_what_is_left_at_the_end_is_done() -> None:
    """Draining lets the queue be served, and gives up what nobody can serve."""
    fleet = make_fleet(0.0, 0.1, 0.2)
    fleet.advance(0.5)
    fleet.drain()
    abandoned = make_fleet(0.0, scenario=Scenario(min_replicas=0))
    abandoned.advance(0.5)
    abandoned.drain()

    assert fleet.observe(0.5).finished == 3
    assert abandoned.observe(0.5).late == 1


def test_a_replica_waits_for_its_machine() -> None:
    """The first replica of a new machine starts when the machine is there; the next ones on it do not wait."""
    pool = NodePool(NodeSpec(replicas=2, start_s=240.0))

    assert [pool.place(replica, now_s) for replica, now_s in ((1, 0.0), (2, 10.0), (3, 20.0))] == [240.0, 240.0, 260.0]
    pool.keep(2)
    assert pool.place(3, 500.0) == 740.0


def test_machines_that_are_there_cost_no_time() -> None:
    """Without a specification there is always room, and the machine of the first replicas is there at the begin."""
    assert NodePool(None).place(9, 5.0) == 5.0
    fleet = make_fleet(scenario=Scenario(cold_start_spread=0.0, nodes=NodeSpec(replicas=1, start_s=240.0)))
    fleet.scale(2, 0.0)
    fleet.advance(299.0)
    before = fleet.ready
    fleet.advance(301.0)

    assert (before, fleet.ready) == (1, 2)


orders = st.lists(st.tuples(st.floats(0.5, 90), st.integers(0, 12)), max_size=20)


@given(arrivals=st.lists(st.floats(0, 600), max_size=80).map(sorted), orders=orders, seed=st.integers(0, 99))
def test_no_request_is_lost(arrivals: list[float], orders: list[tuple[float, int]], seed: int) -> None:
    """Whatever is ordered, every request is waiting, running or finished, and in the end finished."""
    fleet, now_s = Fleet(Scenario(), arrivals, seed=seed), 0.0
    for elapsed_s, target in orders:
        now_s += elapsed_s
        fleet.advance(now_s)
        seen = fleet.observe(now_s)
        assert seen.queued + seen.running + seen.finished == seen.arrived
        assert 0 <= seen.ready <= fleet.replicas
        fleet.scale(target, now_s)
        assert len(range(fleet.target)) == target
    fleet.advance(700.0)
    fleet.drain()

    assert fleet.observe(700.0).finished == len(arrivals)


@given(orders=orders)
def test_replicas_are_what_was_ordered(orders: list[tuple[float, int]]) -> None:
    """Starting and ready replicas together always number the target."""
    fleet, now_s = make_fleet(), 0.0
    for elapsed_s, target in orders:
        now_s += elapsed_s
        fleet.advance(now_s)
        fleet.scale(target, now_s)
        seen = fleet.observe(now_s)

        assert seen.starting + seen.ready == target
    assert fleet.paid_s <= math.inf
