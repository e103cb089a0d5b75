"""Who decides in a simulation."""

from collections.abc import Callable, Mapping
from typing import Protocol

from app.autoscaling.observation import Observation


class Controller(Protocol):
    """Asked once a tick for the replicas of every deployment; it may remember what it saw."""

    def targets(self, observations: Mapping[str, Observation]) -> Mapping[str, int]:
        """Replicas wanted by deployment; one that is missing keeps its target."""
        ...


class Alone:
    """A controller that decides for each deployment by itself, with one rule each."""

    def __init__(self, rules: Mapping[str, Callable[[Observation], int]]) -> None:
        self._rules = rules

    def targets(self, observations: Mapping[str, Observation]) -> dict[str, int]:
        """What each deployment's rule says."""
        return {name: self._rules[name](seen) for name, seen in observations.items()}


def static(replicas: int) -> Callable[[Observation], int]:
    """The rule that always wants the same number."""
    return lambda _: replicas
