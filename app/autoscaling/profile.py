"""What the policy knows of a deployment beforehand."""

from dataclasses import dataclass

from app.autoscaling.budget import Budget
from app.autoscaling.curve import BatchCurve
from app.autoscaling.schedule import Schedule
from app.autoscaling.setting import Setting
from app.autoscaling.tuning import FluidModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One deployment: how it serves, what it may have, and what is planned for it.

    `late_share` is the share of late requests that a setting may have in its rehearsal; below the one that is
    promised, because a real fleet is not a fluid. `node_start_s` is how long a machine takes before a cold start. A
    cold start that somebody waits for is worth `cold_start_penalty_s` of an idle replica. Without a `setting`, the one
    that suits the load is found while it comes. A replica takes `gpus_each` GPUs, and where they are short, `weight`
    is what the deployment's unserved demand counts beside that of others.
    """

    name: str
    curve: BatchCurve
    objective_s: float
    late_share: float = 0.008
    cold_start_s: float = 60.0
    slowest_start_s: float = 75.0
    node_start_s: float = 0.0
    min_replicas: int = 1
    max_replicas: int = 1
    idle_to_zero_s: float = 900.0
    cold_start_penalty_s: float = 600.0
    gpus_each: float = 1.0
    weight: float = 1.0
    stale_after_s: float = 30.0
    forecast_max_age_s: float = 180.0
    acts_on_forecast: bool = True
    setting: Setting | None = None
    schedules: tuple[Schedule, ...] = ()
    budget: Budget | None = None

    @property
    def early_s(self) -> float:
        """How long before its time a floor is ordered."""
        return self.slowest_start_s + self.node_start_s

    @property
    def fluid(self) -> FluidModel:
        """The model in which settings are rehearsed; without its last replica nothing could be learned."""
        return FluidModel.of(
            self.curve, objective_s=self.objective_s, cold_start_s=self.cold_start_s + self.node_start_s,
            replicas=(max(1, self.min_replicas), self.max_replicas), late_share=self.late_share,
        )  # fmt: skip
