"""Which prompt somebody begins with: few are asked by many, and which ones changes."""

import numpy as np

from app.builtin.demand import Demand
from app.builtin.grammar import phrase, sample_demand


class Topics:
    """Prompts by rank: rank 0 is asked most, and each rank's prompt is replaced when its time has come."""

    def __init__(self, *, seed: int, prompts: int, zipf: float, life_s: float) -> None:
        self._seed = seed
        self._life_s = life_s
        self._cumulative = np.cumsum(np.arange(1, prompts + 1, dtype=np.float64) ** -zipf)

    def draw(self, rng: np.random.Generator, now_s: float) -> tuple[Demand, str]:
        """A demand with its wording, as likely as it is popular now."""
        rank = int(np.searchsorted(self._cumulative, rng.random() * self._cumulative[-1], side="right"))
        return self.at(rank, now_s)

    def at(self, rank: int, now_s: float) -> tuple[Demand, str]:
        """The demand of that rank now."""
        phase = np.random.default_rng((self._seed, rank)).random()
        generation = int(now_s / self._life_s + phase)
        rng = np.random.default_rng((self._seed, rank, generation))
        demand = sample_demand(rng)
        return demand, phrase(demand, rng)
