"""Caches as plug-ins: none, those of the literature and of other products, and our own at each of its levels."""

from app.simulation.replay.policies.by_key import KeyedCache
from app.simulation.replay.policies.by_latents import ApproximateCache
from app.simulation.replay.policies.by_similarity import ThresholdCache
from app.simulation.replay.policies.eviction import GreedyDualSize, LeastFrequent, LeastRecent, QueueDemotion
from app.simulation.replay.policies.none import NoCache
from app.simulation.replay.policies.ours import Ours

__all__ = [
    "ApproximateCache",
    "GreedyDualSize",
    "KeyedCache",
    "LeastFrequent",
    "LeastRecent",
    "NoCache",
    "Ours",
    "QueueDemotion",
    "ThresholdCache",
]
