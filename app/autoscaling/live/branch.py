"""How many of the pictures of the first stage come to a later one, so that both can start at the same time."""

import math
from dataclasses import dataclass

# The ratio follows the last few hundred pictures.
_MEMORY = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """The arrivals to expect at a later stage, as a counter that grows when the heads' arrivals do.

    `ratio` is the share of finished pictures that went on: 1 until one has finished. `seen` are the counters behind it.
    """

    arrived: float = 0.0
    ratio: float = 1.0
    weight: float = 0.0
    seen: tuple[int, int, int, int] = (0, 0, 0, 0)

    def flowed(self, *, outside: int, heads: int, finished: int, went_on: int) -> "Branch":
        """With new values of the counters; one that fell has started again at zero."""
        new = (outside, heads, finished, went_on)
        added = [value - before if value >= before else value for value, before in zip(new, self.seen, strict=True)]
        weight = self.weight * math.exp(-added[2] / _MEMORY) + added[2]
        share = min(1.0, added[3] / added[2]) if added[2] else self.ratio
        ratio = self.ratio + (share - self.ratio) * added[2] / weight if added[2] else self.ratio
        grown = Branch(ratio=ratio, weight=weight, seen=new)
        return Branch(
            arrived=self.arrived + added[0] + grown.upper_ratio * added[1], ratio=ratio, weight=weight, seen=new
        )

    @property
    def upper_ratio(self) -> float:
        """The ratio and one deviation of its estimate; never more than everything."""
        if not self.weight:
            return self.ratio
        return min(1.0, self.ratio + math.sqrt(self.ratio * (1 - self.ratio) / self.weight))
