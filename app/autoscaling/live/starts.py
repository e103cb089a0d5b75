"""How long replicas take from order to service, as it was seen."""

from dataclasses import dataclass

import numpy as np

_FEWEST, _MOST = 3, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """The orders that are under way, oldest first, and how long the latest fulfilled ones took."""

    running: int | None = None
    target: int = 0
    ordered_s: tuple[float, ...] = ()
    taken_s: tuple[float, ...] = ()

    def seen(self, now_s: float, *, running: int, target: int) -> "Starts":
        """With what there is now; a replica that comes without an order, to replace another, is not counted."""
        if self.running is None:
            return Starts(running=running, target=target, taken_s=self.taken_s)
        ordered_s = (*self.ordered_s, *[now_s] * (target - self.target))
        ordered_s = ordered_s[: max(0, len(ordered_s) - max(0, self.target - target))]
        come = ordered_s[: max(0, running - self.running)]
        taken_s = (*self.taken_s, *(now_s - each_s for each_s in come))[-_MOST:]
        return Starts(running=running, target=target, ordered_s=ordered_s[len(come) :], taken_s=taken_s)

    @property
    def usual_s(self) -> float | None:
        """The median; None while few are known."""
        return float(np.median(self.taken_s)) if len(self.taken_s) >= _FEWEST else None

    @property
    def slowest_s(self) -> float | None:
        """What nine of ten stay below; None while few are known."""
        return float(np.quantile(self.taken_s, 0.9)) if len(self.taken_s) >= _FEWEST else None
