"""An outcome in a few numbers, which can be written down and compared."""

from dataclasses import dataclass

from app.simulation.scaling.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many requests there were, the share of them in time, and what that took."""

    requests: int
    attainment: float
    gpu_hours: float
    cold_starts: int
    most_replicas: int

    @classmethod
    def of(cls, outcome: Outcome) -> "Summary":
        """The numbers of an outcome."""
        return cls(
            requests=outcome.requests, attainment=outcome.attainment, gpu_hours=outcome.gpu_hours,
            cold_starts=outcome.cold_starts, most_replicas=int(outcome.target.max(initial=0)),
        )  # fmt: skip
