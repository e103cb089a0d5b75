"""A small graph to plan for: one model, and the upscaler behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.autoscaling.live.counts import Counts
from app.autoscaling.live.fleet import Member
from app.autoscaling.live.plan import Plan, Seen
from app.autoscaling.live.planner import Planner
from app.config import AutoscalingSettings
from app.config.autoscaling import ScalingSettings
from app.telemetry.events import Event

BEGIN_S = 1_800_000_000.0
MODEL = Member(
    name="sketch",
    deployment="Model-sketch",
    bounds=AutoscalingSettings(min_replicas=1, max_replicas=8),
    max_batch=4,
    bundle={"CPU": 1, "GPU": 1},
)
UPSCALER = Member(
    name="upscaler",
    deployment="Upscaler",
    bounds=AutoscalingSettings(min_replicas=1, max_replicas=8),
    max_batch=1,
    bundle={"CPU": 2},
    follows=True,
)


def scaling(**groups: Any) -> ScalingSettings:
    """Settings for a model of one picture a second and a half, and an upscaler of two a second."""
    own = {"sketch": {"single_s": 1.5, "max_batch": 1, "cold_start_s": 40, "node_start_s": 100}}
    return ScalingSettings.model_validate(
        {"slo": {"latency_s": 4}, "deployments": own | {"upscaler": {"single_s": 0.5}}} | groups
    )


@dataclass
class Stage:
    """A planner, the graph around it, and a clock that tests move; Serve follows every plan at once."""

    planner: Planner
    now_s: float = BEGIN_S
    running: dict[str, int] = field(default_factory=lambda: {"Model-sketch": 1, "Upscaler": 1})
    events: list[Event] = field(default_factory=list)

    def seconds(self, count: int, *, counts: Callable[[int], dict[str, Counts]], reports: bool = True) -> Plan:
        """Let so many seconds pass, with these counts in each."""
        for second in range(count):
            self.now_s += 1
            if reports:
                self.planner.counted(counts(second))
            self.planner.saw({name: Seen(running, running) for name, running in self.running.items()})
            plan = self.planner.step()
            self.running |= {name: each.replicas for name, each in plan.deployments.items()}
        return self.planner.plan

    def quiet(self, count: int) -> Plan:
        """So many seconds in which nothing comes."""
        return self.seconds(count, counts=lambda _: {"sketch": Counts(), "upscaler": Counts()})


def stage_of(settings: ScalingSettings | None = None, **options: Any) -> Stage:
    """A stage whose planner has just begun."""
    moment: list[Stage] = []
    planner = Planner(
        (MODEL, UPSCALER),
        settings or scaling(),
        clock=lambda: moment[0].now_s if moment else BEGIN_S,
        observe=lambda event: moment[0].events.append(event),
        **options,
    )
    moment.append(Stage(planner))
    return moment[0]


@pytest.fixture
def stage() -> Stage:
    """A stage with the usual settings."""
    return stage_of()
