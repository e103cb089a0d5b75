"""What may be done with a nominee, by how similar it is and what its band has earned."""

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum

from app.cache.earned import EarningRule, Standing, State


class Action(StrEnum):
    """What becomes of a nominee: nothing, an audit that nobody waits for, an audit before it is served, or a hit."""

    REFUSE = "refuse"
    SHADOW = "shadow"
    AUDIT = "audit"
    SERVE = "serve"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityPolicy:
    """`floors` are the rising cosines at which bands begin; nothing below the first is nominated.

    The rule is that of every band. When a share of `alpha` in each of them makes up the error probability of all, the
    promise holds for the namespace: its hits are wrong no more often than those of its worst band.
    """

    floors: tuple[float, ...]
    rule: EarningRule

    def band(self, similarity: float) -> int | None:
        """The number of the band, from 0, that a similarity falls into; None for one that is too low."""
        place = bisect_right(self.floors, similarity)
        return place - 1 if place else None

    def action(self, standing: Standing, draw: float) -> Action:
        """What to do with a nominee of a band with this standing; `draw` is uniform in [0, 1)."""
        if not self.rule.can_be_earned:
            return Action.REFUSE
        if standing.state is State.SHADOW:
            return Action.SHADOW
        return Action.AUDIT if standing.wants_audit(self.rule, draw) else Action.SERVE
