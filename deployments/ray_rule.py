"""Ray Serve's own autoscaling policy as a rule of the simulator: its functions, its context, a clock that we set."""

from collections import deque
from types import SimpleNamespace
from typing import Any

from ray.serve import autoscaling_policy
from ray.serve._private.common import DeploymentID
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from app.autoscaling.observation import Observation

# Ray's wrapper measures its delays with time.time(); in a simulation, time is what the simulation says.
_clock = SimpleNamespace(time=lambda: 0.0, monotonic=lambda: 0.0)

PUSH_INTERVAL_S = 10
DEPLOYMENT = DeploymentID(name="model", app_name="darkroom")


class RayRule:
    """Asked once a second; ongoing requests reach it as the mean of the look-back period, pushed every ten seconds.

    The process in which it is used is none that serves: Ray's policy is given another clock.
    """

    def __init__(self, *, min_replicas: int, max_replicas: int, **settings: Any) -> None:
        autoscaling_policy.time = _clock
        self._policy = autoscaling_policy._apply_autoscaling_config(
            autoscaling_policy.replica_queue_length_autoscaling_policy
        )
        self._config = AutoscalingConfig(min_replicas=min_replicas, max_replicas=max_replicas, **settings)
        self._ongoing: deque[int] = deque(maxlen=int(self._config.look_back_period_s))
        self._pushed, self._state = 0.0, dict[str, Any]()

    def __call__(self, seen: Observation) -> int:
        """The replicas that Ray Serve would set as its target."""
        self._ongoing.append(seen.queued + seen.running)
        if seen.now_s % PUSH_INTERVAL_S == 0:
            self._pushed = sum(self._ongoing) / len(self._ongoing)
        _clock.time = lambda: seen.now_s
        replicas, self._state = self._policy(self._context(seen))
        return int(min(max(replicas, self._config.min_replicas), self._config.max_replicas))

    def _context(self, seen: Observation) -> AutoscalingContext:
        return AutoscalingContext(
            deployment_id=DEPLOYMENT, deployment_name=DEPLOYMENT.name, app_name=DEPLOYMENT.app_name,
            current_num_replicas=seen.ready, target_num_replicas=seen.target, running_replicas=[],
            total_num_requests=self._pushed, total_queued_requests=None, aggregated_metrics=None, raw_metrics=None,
            capacity_adjusted_min_replicas=self._config.min_replicas,
            capacity_adjusted_max_replicas=self._config.max_replicas, policy_state=self._state,
            last_scale_up_time=None, last_scale_down_time=None, current_time=seen.now_s, config=self._config,
        )  # fmt: skip
