"""What a simulated deployment cost and how well it served."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Totals of one deployment, and its replicas at every tick."""

    requests: int
    late: int
    paid_s: float
    cold_starts: int
    target: NDArray[np.int32]
    ready: NDArray[np.int32]

    @property
    def attainment(self) -> float:
        """The share of requests answered within their objective; 1 when there were none."""
        return 1.0 - self.late / self.requests if self.requests else 1.0

    @property
    def gpu_hours(self) -> float:
        """Replica-hours paid for, at one GPU per replica."""
        return self.paid_s / 3600
