"""The policy in Serve's controller."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from app.autoscaling.live.plan import Plan, Planned, Seen

pytestmark = pytest.mark.ray


@dataclass
class Context:
    """What Serve tells the policy about one deployment."""

    deployment_name: str
    current_num_replicas: int
    target_num_replicas: int


CONTEXTS: dict[Any, Any] = {
    "id of the model": Context("Model-sketch", 1, 3),
    "id of the upscaler": Context("Upscaler", 2, 2),
}


class WrittenLink:
    """News from a forecaster that a test has written."""

    def __init__(self, plan: Plan | None) -> None:
        self.plan = plan
        self.fleet: Mapping[str, Seen] = {}

    def start(self) -> None:
        """There is nobody to talk to."""

    stop = start


class BrokenLink(WrittenLink):
    """A link whose news cannot be read."""

    def __init__(self) -> None:
        self.fleet = {}

    @property
    def plan(self) -> Plan:  # type: ignore[override]
        """Raises."""
        raise RuntimeError("broken")


def policy_with(link: WrittenLink) -> Any:
    """The policy over that link."""
    from deployments.scaling_policy import ScalingPolicy

    return ScalingPolicy("darkroom", "config.yaml", open_link=lambda application, config: link)


def test_it_follows_the_plan() -> None:
    """Targets are those of a fresh plan, by deployment; a deployment without one keeps its target."""
    link = WrittenLink(Plan(at_s=time.time(), deployments={"Model-sketch": Planned(replicas=5)}))

    assert policy_with(link)(CONTEXTS) == ({"id of the model": 5, "id of the upscaler": 2}, None)
    assert link.fleet == {"Model-sketch": Seen(1, 3), "Upscaler": Seen(2, 2)}


def test_it_holds_without_a_plan() -> None:
    """Before the forecaster has answered, targets are what Serve remembers."""
    assert policy_with(WrittenLink(None))(CONTEXTS)[0] == {"id of the model": 3, "id of the upscaler": 2}


def test_it_never_raises() -> None:
    """Whatever breaks inside, the answer is the targets as they are."""
    assert policy_with(BrokenLink())(CONTEXTS)[0] == {"id of the model": 3, "id of the upscaler": 2}


def test_complaints_are_not_repeated() -> None:
    """A controller that decides ten times a second logs the same line once a minute."""
    from deployments.scaling_policy import Complaints

    said: list[str] = []
    complaints = Complaints(say=lambda _, line: said.append(line))
    for _ in range(10):
        complaints.tell("broken")

    assert said == ["broken"]
