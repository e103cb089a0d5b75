"""What the router tells the planner about the work of one deployment."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counters since the router began, and gauges.

    `arrived` came from outside. `flowed` of the `finished` went on to the next stage. `single_s` is how long a
    replica takes for one picture alone, once that is known.
    """

    arrived: int = 0
    finished: int = 0
    flowed: int = 0
    late: int = 0
    queued: int = 0
    running: int = 0
    single_s: float | None = None
