"""Replicas that drain what waits while it can still be in time."""

from app.autoscaling.terms import Term

# What waits for a running batch to end is no backlog.
_NEXT_PER_REPLICA = 2


def queue_term(*, queued: int, ready: int, throughput_per_s: float, drain_s: float) -> Term:
    """The backlog beyond two requests a replica, over what one replica drains in time."""
    backlog = max(0, queued - _NEXT_PER_REPLICA * ready)
    return Term("queue", backlog / (throughput_per_s * drain_s), f"{queued} waiting, drain {drain_s:.0f} s")
