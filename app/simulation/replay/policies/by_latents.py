"""Caches that begin pictures late, at fixed thresholds of similarity."""

from bisect import bisect_right
from collections.abc import Sequence

from app.cache.index import GrowingIndex
from app.simulation.replay.contract import Answer, Artist, Beginning, Draw, Drawing, Made
from app.simulation.workload import Ask

# Cosines, and the shares of the steps that are skipped from there on.
LEVELS = ((0.65, 0.1), (0.75, 0.2), (0.85, 0.3), (0.90, 0.4), (0.95, 0.5))


class ApproximateCache:
    """Begins every picture as late as the most similar stored prompt's cosine says; it knows no seeds and no tenants.

    With the latents of stored steps it is like NIRVANA (S. Agarwal et al., NSDI 2024), which skips up to half of the
    steps; `renoised`, it begins from noised final pictures like MoDM (Y. Xia et al., arXiv 2503.11972), with the same
    model instead of a smaller one. Pictures that began late are not begun on.
    """

    def __init__(
        self,
        name: str,
        *,
        artist: Artist,
        kept_steps: Sequence[int],
        renoised: bool,
        levels: Sequence[tuple[float, float]] = LEVELS,
    ) -> None:
        self.name = name
        self._artist = artist
        self._kept_steps = kept_steps
        self._renoised = renoised
        self._levels = levels
        self._index = GrowingIndex(artist.dimensions)
        self._bytes = 0

    @property
    def byte_count(self) -> int:
        """Latents or pictures, and vectors."""
        return self._bytes + self._index.memory_bytes

    async def ask(self, ask: Ask) -> Answer:
        """A picture."""
        return Draw(waits_for_lookup=True)

    async def begin(self, ask: Ask) -> Beginning | None:
        """Where the similarity allows."""
        nearest = self._index.nearest(self._artist.vector(ask.prompt), 1)
        step = self._step(nearest[0].similarity) if nearest else 0
        return Beginning(drawing=nearest[0].key, step=step, renoised=self._renoised) if step else None

    async def learn(self, ask: Ask, made: Made) -> None:
        """Keep what a later picture may begin on."""
        if made.beginning is None:
            self._bytes += _kept_bytes(made.drawing, renoised=self._renoised)
            self._index.put(made.drawing.key, self._artist.vector(ask.prompt))

    def _step(self, similarity: float) -> int:
        place = bisect_right([floor for floor, _ in self._levels], similarity)
        if not place:
            return 0
        wanted = self._levels[place - 1][1] * self._artist.steps
        return min(self._kept_steps, key=lambda step: abs(step - wanted))


def _kept_bytes(drawing: Drawing, *, renoised: bool) -> int:
    return drawing.byte_count if renoised else drawing.latent_bytes
