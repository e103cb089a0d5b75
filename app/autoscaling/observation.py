"""What a controller is told about one deployment at one moment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Counters and gauges of one deployment; counters only grow, and start again at zero after a restart.

    `late` counts requests that were answered after their objective or given up. `measured_at_s` is when the numbers
    were true, which may be long before `now_s`.
    """

    now_s: float
    measured_at_s: float
    arrived: int
    finished: int
    late: int
    queued: int
    running: int
    ready: int
    starting: int
    target: int

    @property
    def age_s(self) -> float:
        """How old the numbers are."""
        return self.now_s - self.measured_at_s
