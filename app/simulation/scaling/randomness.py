"""Endless uniform numbers, drawn in blocks."""

from collections.abc import Iterator

import numpy as np

_BLOCK = 4096


def spread(seed: tuple[int, ...], share: float) -> Iterator[float]:
    """Factors spread evenly between `1 - share` and `1 + share`; the same for equal seeds."""
    chance = np.random.default_rng(seed)
    while True:
        yield from chance.uniform(1 - share, 1 + share, _BLOCK).tolist()
