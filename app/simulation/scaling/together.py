"""Deployments that are decided for together, because they share GPUs."""

from collections.abc import Mapping

from app.autoscaling.gpus import within_gpus
from app.autoscaling.observation import Observation
from app.simulation.scaling.planned import Planned


class Together:
    """A controller that asks every deployment's policy and gives them `gpus` where most is gained."""

    def __init__(self, rules: Mapping[str, Planned], *, gpus: float) -> None:
        self._rules, self._gpus = rules, gpus

    def targets(self, observations: Mapping[str, Observation]) -> dict[str, int]:
        """The replicas that each deployment is given."""
        decisions = {name: self._rules[name].decided(seen) for name, seen in observations.items()}
        profiles = {name: self._rules[name].profile for name in observations}
        shared = within_gpus(decisions, profiles, gpus=self._gpus)
        return {name: decision.replicas for name, decision in shared.items()}
