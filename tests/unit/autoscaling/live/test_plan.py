"""What Serve's controller does with a plan, and without one."""

import pytest

from app.autoscaling.live.plan import FRESH_S, FloorAhead, Plan, Planned, replicas

PLAN = Plan(
    at_s=100.0,
    deployments={
        "Model-sketch": Planned(replicas=3, floors=(FloorAhead(110.0, 120.0, 5), FloorAhead(130.0, 140.0, 2)))
    },
)


@pytest.mark.parametrize("target", [1, 3, 8])
def test_a_fresh_plan_is_followed(target: int) -> None:
    """A plan of the last seconds says how many replicas there are, up and down."""
    assert replicas(PLAN, "Model-sketch", target, now_s=100.0 + FRESH_S) == 3


@pytest.mark.parametrize(("now_s", "expected"), [(109.0, 4), (110.0, 5), (119.0, 5), (120.0, 4), (135.0, 4)])
def test_an_old_plan_holds(now_s: float, expected: int) -> None:
    """Of an old plan only the known floors count, and only where they raise the target."""
    assert replicas(PLAN, "Model-sketch", 4, now_s=now_s) == expected


@pytest.mark.parametrize("plan", [None, Plan(at_s=100.0)])
def test_no_plan_holds(plan: Plan | None) -> None:
    """Without any plan for a deployment its target stays."""
    assert replicas(plan, "Model-sketch", 7, now_s=100.0) == 7
