"""How late a picture may begin, by how similar the prompts are and what was lost at that before."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.cache.earned.bounds import upper_bound


@dataclass(frozen=True, slots=True)
class Tried:
    """How many pictures were begun late and judged, and how many of them were worse than one from noise."""

    tries: int = 0
    worse: int = 0


@dataclass(frozen=True, slots=True)
class Losses:
    """What was tried, by band of similarity and place among the shares; never changed in place."""

    cells: Mapping[tuple[int, int], Tried] = field(default_factory=dict)

    def at(self, band: int, place: int) -> Tried:
        """What was tried there."""
        return self.cells.get((band, place), Tried())

    def after(self, band: int, place: int, *, worse: bool) -> "Losses":
        """The same with one more picture judged."""
        before = self.at(band, place)
        tried = Tried(before.tries + 1, before.worse + worse)
        return replace(self, cells={**self.cells, (band, place): tried})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRule:
    """Which part of the steps may be skipped.

    `floors` are the rising cosines at which bands of similarity begin, `shares` the rising shares of the steps that
    may be skipped. A share is allowed in a band when the pictures judged there leave room for no more than `max_loss`
    of them being worse, but for a probability of `alpha`, and all smaller shares are allowed too.
    """

    floors: tuple[float, ...]
    shares: tuple[float, ...]
    max_loss: float = 0.02
    alpha: float = 0.2

    def band(self, similarity: float) -> int | None:
        """The number of the band, from 0; None for what is less similar than the first."""
        place = bisect_right(self.floors, similarity)
        return place - 1 if place else None

    def allows(self, tried: Tried) -> bool:
        """Whether what was tried leaves no room for too many worse pictures."""
        return upper_bound(tried.worse, tried.tries, alpha=self.alpha) <= self.max_loss

    def allowed_share(self, similarity: float, losses: Losses) -> float:
        """The largest share of the steps that may be skipped; zero begins from noise."""
        band = self.band(similarity)
        if band is None:
            return 0.0
        allowed = 0.0
        for place, share in enumerate(self.shares):
            if not self.allows(losses.at(band, place)):
                break
            allowed = share
        return allowed

    def kept_steps(self, steps: int) -> tuple[int, ...]:
        """The steps, of so many, after which latents are worth keeping."""
        return tuple(sorted({step for share in self.shares if 0 < (step := round(share * steps)) < steps}))

    def first_step(self, similarity: float, steps: int, losses: Losses) -> int:
        """How many of the steps are skipped."""
        share = self.allowed_share(similarity, losses)
        return max((step for step in self.kept_steps(steps) if step <= round(share * steps)), default=0)
