"""How long a replica takes for a batch, and what it can serve in time because of it."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCurve:
    """Seconds for a batch: `single_s · (fixed_share + (1 - fixed_share) · size)`, for sizes up to `max_batch`."""

    single_s: float
    fixed_share: float = 0.55
    max_batch: int = 4

    def seconds(self, size: int) -> float:
        """The time of one batch of `size` requests."""
        return self.single_s * (self.fixed_share + (1 - self.fixed_share) * size)

    def feasible_batch(self, objective_s: float) -> int:
        """The largest batch of which a request can wait for one and ride in the next; 1 when none can."""
        return _feasible_batch(self, objective_s)

    def throughput_per_s(self, objective_s: float) -> float:
        """Requests per second of one replica that serves feasible batches without a pause."""
        size = self.feasible_batch(objective_s)
        return size / self.seconds(size)

    def drain_s(self, objective_s: float) -> float:
        """How long a queue may take to drain and still be in time; at least the time of one request."""
        return max(objective_s - self.seconds(self.feasible_batch(objective_s)), self.single_s)


@lru_cache(maxsize=256)
def _feasible_batch(curve: BatchCurve, objective_s: float) -> int:
    """Kept, because every term of every decision asks."""
    feasible = (size for size in range(curve.max_batch, 1, -1) if 2 * curve.seconds(size) <= objective_s)
    return next(feasible, 1)
