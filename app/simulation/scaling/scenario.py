"""What is simulated: one deployment's replicas, their service and their price in time."""

from dataclasses import dataclass

from app.autoscaling.curve import BatchCurve

FOUR_SECONDS = BatchCurve(single_s=4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """Machines that appear some time after the first replica that needs them, and leave with the last."""

    replicas: int
    start_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A deployment without its load.

    Service times spread evenly by `service_spread` around the curve, cold starts by `cold_start_spread`. A request
    that waits longer than `patience_s` is given up; one answered after `objective_s` is late.
    """

    curve: BatchCurve = FOUR_SECONDS
    service_spread: float = 0.1
    cold_start_s: float = 60.0
    cold_start_spread: float = 0.25
    patience_s: float = 120.0
    objective_s: float = 20.0
    min_replicas: int = 1
    max_replicas: int = 48
    nodes: NodeSpec | None = None
    tick_s: float = 1.0

    @property
    def slowest_start_s(self) -> float:
        """The longest cold start there is, without a node's."""
        return self.cold_start_s * (1 + self.cold_start_spread)

    @property
    def throughput_per_s(self) -> float:
        """Requests per second of one replica within the objective."""
        return self.curve.throughput_per_s(self.objective_s)
