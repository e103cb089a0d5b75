"""What is planned for a whole graph, and what is told of it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.autoscaling.live.conftest import BEGIN_S, MODEL, UPSCALER, Stage, scaling, stage_of

from app.autoscaling.live.counts import Counts
from app.autoscaling.live.plan import Plan, Seen
from app.autoscaling.live.planner import Planner
from app.autoscaling.policy import decide
from app.errors import ConfigurationError
from app.telemetry.events import ReplicasDecided, ReplicasPlanned


def load(per_s: int, *, flowed: float = 1.0) -> Any:
    """Counts of a model that gets so many pictures a second, all of which are finished at once."""

    def counts(second: int) -> dict[str, Counts]:
        arrived = per_s * (second + 1)
        return {
            "sketch": Counts(arrived=arrived, finished=arrived, flowed=round(flowed * arrived)),
            "upscaler": Counts(finished=arrived),
        }

    return counts


def at(in_s: float) -> str:
    """A local time of UTC so many seconds after the begin."""
    return datetime.fromtimestamp(BEGIN_S + in_s, UTC).replace(tzinfo=None).isoformat()


def test_replicas_follow_the_load(stage: Stage) -> None:
    """Load raises the model's replicas, and after it they fall to the least again."""
    stage.quiet(30)
    plan = stage.seconds(60, counts=load(3))
    peak = plan.deployments["Model-sketch"].replicas
    plan = stage.seconds(1500, counts=lambda _: load(3)(59))

    assert peak >= 5
    assert plan.deployments["Model-sketch"].replicas == 1


def test_the_upscaler_starts_with_the_model(stage: Stage) -> None:
    """Pictures that have only arrived at the model raise the replicas of the stage behind it."""
    stage.quiet(30)
    waiting = {second: {"sketch": Counts(arrived=8 * second, queued=8 * second)} for second in range(60)}
    plan = stage.seconds(20, counts=lambda second: waiting[second] | {"upscaler": Counts()})

    assert plan.deployments["Upscaler"].replicas > 1


def test_a_stage_that_is_rarely_reached_stays_small() -> None:
    """Of a load that mostly ends at the model, the stage behind it gets only its share."""
    plans = [stage_of().seconds(400, counts=load(6, flowed=share)) for share in (0.05, 1.0)]
    few, all_ = (plan.deployments["Upscaler"].replicas for plan in plans)

    assert few < all_


def test_every_change_is_told_once_with_its_reason(stage: Stage) -> None:
    """Each change of a plan is one decision and one event, which name the number and the terms."""
    stage.quiet(30)
    stage.seconds(60, counts=load(3))
    decisions = list(stage.planner.decisions)
    events = [event for event in stage.events if isinstance(event, ReplicasDecided)]

    assert [each["to"] for each in decisions] == [event.replicas for event in events]
    assert all(
        f"{each['deployment']} {each['from']}→{each['to']}: " in each["reason"] and "trend" in each["reason"]
        for each in decisions
    )
    assert any(isinstance(event, ReplicasPlanned) and dict(event.terms)["trend"] > 1 for event in stage.events)


def test_a_plan_that_serve_has_not_followed_yet_is_not_told_again(stage: Stage) -> None:
    """While Serve is on its way to a plan, the decision stands once in the log."""
    stage.quiet(10)
    stage.planner.configure(scaling(schedules=[{"name": "now", "at": at(0), "for": 60, "floor": 4}]))
    for _ in range(5):
        stage.now_s += 1
        stage.planner.saw({"Model-sketch": Seen(1, 1)})
        stage.planner.counted({"sketch": Counts()})
        stage.planner.step()

    assert [each["to"] for each in stage.planner.decisions] == [4]


def test_what_serve_does_by_itself_is_told(stage: Stage) -> None:
    """A target that nobody planned, as Serve sets it for a first request, is in the log as well."""
    stage.quiet(10)
    stage.running["Model-sketch"] = 2
    stage.quiet(1)

    assert "Ray Serve" in stage.planner.decisions[0]["reason"]


def test_a_floor_is_known_beforehand(stage: Stage) -> None:
    """A schedule's floor is published with its times, one start early, for the hour in which nobody may plan."""
    stage.planner.configure(scaling(schedules=[{"name": "peak", "at": at(600), "for": 300, "floor": 3}]))
    (floor,) = stage.quiet(1).deployments["Model-sketch"].floors

    assert (floor.replicas, floor.from_s) == (3, pytest.approx(BEGIN_S + 600 - 50, abs=15))
    assert floor.until_s == pytest.approx(BEGIN_S + 900, abs=15)


def test_machines_are_asked_for_before_replicas(stage: Stage) -> None:
    """Room for a peak is asked for a machine's start before its replicas are ordered, and given back after it."""
    stage.planner.configure(
        scaling(schedules=[{"name": "peak", "deployment": "sketch", "at": at(300), "for": 60, "floor": 3}])
    )
    asked, ordered, given_back = None, None, None
    for second in range(400):
        plan = stage.quiet(1)
        if stage.planner.bundles() and asked is None:
            asked = (second, stage.planner.bundles())
        if plan.deployments["Model-sketch"].replicas == 3 and ordered is None:
            ordered = second
        if asked and not stage.planner.bundles() and given_back is None:
            given_back = second

    assert asked == (149, ({"CPU": 1, "GPU": 1},) * 3 + ({"CPU": 2},))
    assert ordered == 249
    assert given_back == 359


def test_a_wrong_setting_changes_nothing(stage: Stage) -> None:
    """Settings that cannot be used are refused, and planning goes on by those before them."""
    before = stage.planner.settings
    with pytest.raises(ConfigurationError):
        stage.planner.configure(
            scaling(schedules=[{"name": "no", "tz": "Europe/Berlin", "at": "2027-03-28T02:30", "for": 9, "floor": 3}])
        )

    assert stage.planner.settings is before
    assert stage.quiet(1).deployments["Model-sketch"].replicas == 1


def test_numbers_that_stay_away_hold_the_target(stage: Stage) -> None:
    """When the router is silent for longer than ten seconds, targets are held and the plan says why."""
    stage.quiet(30)
    stage.seconds(15, counts=lambda _: {}, reports=False)
    stage.running["Model-sketch"] = 4
    plan = stage.seconds(600, counts=lambda _: {}, reports=False)

    assert plan.deployments["Model-sketch"].replicas == 4
    assert "s old" in plan.deployments["Model-sketch"].held


def test_an_error_holds_one_target_and_no_other() -> None:
    """When deciding for one deployment raises, it is held and says why; the others are planned."""

    def broken(state: Any, seen: Any, profile: Any, **options: Any) -> Any:
        if profile.name == "sketch":
            raise ZeroDivisionError("broken")
        return decide(state, seen, profile, **options)

    stage = stage_of(decide=broken)
    stage.running |= {"Model-sketch": 3}
    plan = stage.seconds(60, counts=load(3))

    assert plan.deployments["Model-sketch"].replicas == 3
    assert plan.deployments["Model-sketch"].held == "ZeroDivisionError: broken"
    assert plan.deployments["Upscaler"].held == ""


def test_gpus_are_shared() -> None:
    """Where there are fewer GPUs than are wanted, only those who take some are cut, and say so."""
    stage = stage_of(scaling(gpus=2))
    stage.quiet(30)
    plan = stage.seconds(60, counts=load(6))

    assert plan.deployments["Model-sketch"].replicas == 2
    assert "shared" in plan.deployments["Model-sketch"].line
    assert plan.deployments["Upscaler"].replicas > 2


def test_what_is_known_outlives_the_planner(stage: Stage) -> None:
    """A planner that begins with what another knew goes on in the middle of a peak as if nothing had been."""
    stage.quiet(30)
    stage.seconds(60, counts=load(3))
    running = dict(stage.running)
    after = stage_of(knowledge=stage.planner.knowledge())
    after.now_s, after.running = stage.now_s, dict(running)
    plan = after.seconds(5, counts=lambda second: load(3)(60 + second))

    assert {name: each.replicas for name, each in plan.deployments.items()} == running


def test_a_planner_without_memory_takes_what_is_there_for_wanted() -> None:
    """One that knows nothing lowers nothing before it has seen the load for a while."""
    stage = stage_of()
    stage.running["Model-sketch"] = 6

    assert stage.quiet(60).deployments["Model-sketch"].replicas == 6


def test_a_rehearsal_is_the_same_in_a_shorter_time() -> None:
    """At ten times the pace, a tenth of the time with a tenfold load leads to the same replicas."""
    usual, quick = stage_of(), stage_of(pace=10.0)
    for stage, pace in ((usual, 1), (quick, 10)):
        for tick in range(90):
            stage.now_s += 1 / pace
            arrived = 2 * max(0, tick - 30)
            stage.planner.counted({"sketch": Counts(arrived=arrived, finished=arrived), "upscaler": Counts()})
            stage.planner.saw({name: Seen(count, count) for name, count in stage.running.items()})
            stage.running |= {name: each.replicas for name, each in stage.planner.step().deployments.items()}

    assert usual.running == quick.running
    assert usual.running["Model-sketch"] > 1


def test_speed_is_taken_over_where_none_is_set() -> None:
    """A replica's measured speed sizes the deployment, unless the settings name one."""
    unset = scaling(deployments={"sketch": {"max_batch": 1}, "upscaler": {}})

    def plan_with(single_s: float) -> Plan:
        usual = load(2)
        return stage_of(unset).seconds(
            60, counts=lambda second: usual(second) | {"sketch": replace(usual(second)["sketch"], single_s=single_s)}
        )

    plans = [plan_with(single_s) for single_s in (0.1, 3.0)]
    assert plans[0].deployments["Model-sketch"].replicas < plans[1].deployments["Model-sketch"].replicas


def test_starts_are_timed() -> None:
    """After a few starts of eight seconds, a floor is ordered by their time and not by the default of a minute."""
    stage, arrived = stage_of(scaling(deployments={"sketch": {}, "upscaler": {}})), {"sketch": Counts()}
    for target in (2, 3, 4, 5):
        for running in (*[target - 1] * 8, target):
            stage.now_s += 1
            stage.planner.counted(arrived)
            stage.planner.saw({"Model-sketch": Seen(running, target)})
            stage.planner.step()
    peak = [{"name": "peak", "deployment": "sketch", "at": at(stage.now_s - BEGIN_S + 600), "for": 60, "floor": 8}]
    stage.planner.configure(scaling(deployments={"sketch": {}, "upscaler": {}}, schedules=peak))
    begin_s = stage.now_s + 600
    (floor,) = stage.planner.step().deployments["Model-sketch"].floors

    assert begin_s - floor.from_s == pytest.approx(1.25 * 8, abs=15)


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 400), st.booleans()), min_size=1, max_size=40
    )
)
def test_plans_stay_within_bounds(steps: list[tuple[int, int, int, bool]]) -> None:
    """Whatever is reported, in whatever order, no plan leaves the bounds of its deployment."""
    now_s, planner = BEGIN_S, Planner((MODEL, UPSCALER), scaling(), clock=lambda: now_s)
    plan = Plan(at_s=0.0)
    for running, target, arrived, is_silent in steps:
        now_s += 3
        if not is_silent:
            planner.counted({"sketch": Counts(arrived=arrived, queued=arrived), "upscaler": Counts(queued=running)})
        planner.saw({"Model-sketch": Seen(running, max(1, min(target, 8))), "Upscaler": Seen(running, 1)})
        plan = planner.step()

    assert all(1 <= each.replicas <= 8 for each in plan.deployments.values())
